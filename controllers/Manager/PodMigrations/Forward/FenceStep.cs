using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Has the source's node fence the pod: none of its containers starts there any more, and
/// its dump leaves it stopped.</summary>
/// <remarks>The fence is this migration's by its uid: whoever asks again has it already.</remarks>
internal sealed class FenceStep(MigrationNodes nodes, AgentCalls calls) : IMigrationStep
{
    public Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.SourceFenced))
        {
            return Task.FromResult(true);
        }

        nodes.RequireSource(scope);
        scope.Begin(Steps.Fence);
        var request = new FenceRequest
        {
            PodNamespace = scope.Namespace,
            PodName = scope.Migration.Spec.PodName,
            PodUid = scope.Status.PodUID,
            Holder = scope.Uid,
            TcpPolicy = scope.TcpPolicy,
        };
        if (calls.Ask(scope, CallNames.Fence, scope.Status.SourceNode!, (agent, t) => agent.FenceAsync(request, t))
            is not { } fenced)
        {
            return Task.FromResult(scope.AwaitAnswer());
        }

        scope.Set(
            ConditionTypes.SourceFenced, true, Reasons.Succeeded,
            $"fenced on {scope.Status.SourceNode} at {fenced.FencedAt.ToDateTime():yyyy-MM-ddTHH:mm:ss.fffZ}: no "
                + "container of the pod starts there, and its dump leaves it stopped");
        scope.End(Steps.Fence, "");
        // Told together with what follows: another life of the operator asks for the fence again and has it.
        return Task.FromResult(true);
    }
}
