using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Ends the source, and takes its fence away when it is gone: the commit.</summary>
/// <remarks>A source that is being deleted is not deleted again, and lifting a fence that is lifted changes nothing.</remarks>
internal sealed class RemoveSourceStep(
    ICluster cluster, MigrationObjects objects, MigrationNodes nodes, SourceProcesses processes, AgentCalls calls, TimeProvider time) : IMigrationStep
{
    /// <summary>In which kubelet ends a pod whose processes stand still, with much to spare.</summary>
    private static readonly TimeSpan KubeletsTime = TimeSpan.FromSeconds(30);

    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var lost = await nodes.IsLostForCertainAsync(scope.Status.SourceNode!, cancellationToken);
        if (objects.FindSource(scope) is { } source)
        {
            if (!processes.Kill(scope, source))
            {
                return false;
            }

            // Grace 0 would remove the object before anybody has killed the processes; so kubelet has the last word.
            // Its ReplicaSet may have been quicker, with all the grace that stopped processes make no use of.
            if (source.Metadata.DeletionTimestamp is null || source.Metadata.DeletionGracePeriodSeconds > 1 || lost)
            {
                await cluster.DeleteAsync(source, graceSeconds: lost ? 0 : 1, cancellationToken);
            }

            if (nodes.IsSilent(scope.Status.SourceNode!))
            {
                scope.Stall = MigrationStalls.SourceSilent(scope);
            }
            else if (source is { Metadata: { DeletionTimestamp: { } since, Finalizers.Count: > 0 } } && time.GetUtcNow().UtcDateTime - since > KubeletsTime)
            {
                scope.Stall = (
                    Reasons.SourceHeld,
                    $"the source pod {source.Metadata.Name} is ended, and its object is held by finalizers: {string.Join(", ", source.Metadata.Finalizers)}");
            }

            return false;
        }

        // Told together with the end of its fence, which is there a moment later.
        var before = scope.Status;
        scope.Set(ConditionTypes.SourceRemoved, true, Reasons.Succeeded, "the source pod is gone");
        var request = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = false };
        // A node that is gone has taken its fence along. Under the fence nothing of it starts again: where its object was deleted by
        // force, and its kubelet has not heard of that, the processes end before the fence does.
        if (!lost
            && (!processes.Kill(scope) || calls.Ask(scope, CallNames.Unfence, scope.Status.SourceNode!, (agent, t) => agent.UnfenceAsync(request, t)) is null))
        {
            scope.Status = before;
            return false;
        }

        scope.End(Steps.Commit, "");
        return true;
    }
}
