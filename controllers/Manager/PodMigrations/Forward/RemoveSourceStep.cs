using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Ends the source, and takes its fence away when it is gone: the commit.</summary>
/// <remarks>A source that is being deleted is not deleted again, and lifting a fence that
/// is lifted changes nothing.</remarks>
internal sealed class RemoveSourceStep(
    ICluster cluster, MigrationObjects objects, MigrationNodes nodes, SourceProcesses processes, AgentCalls calls,
    TimeProvider time) : IMigrationStep
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
            else if (source is { Metadata: { DeletionTimestamp: { } since, Finalizers.Count: > 0 } }
                && time.GetUtcNow().UtcDateTime - since > KubeletsTime)
            {
                scope.Stall = new(
                    Reasons.SourceHeld,
                    $"the source pod {source.Metadata.Name} is ended, and its object is held by finalizers: "
                        + $"{string.Join(", ", source.Metadata.Finalizers)}");
            }

            return false;
        }

        // A node that is gone has taken its fence along.
        if (!lost && !Unfence(scope))
        {
            return false;
        }

        scope.Set(ConditionTypes.SourceRemoved, true, Reasons.Succeeded, "the source pod is gone");
        scope.End(Steps.Commit, "");
        return true;
    }

    /// <summary>Ends what may run of a source whose object is gone, and then its fence.</summary>
    /// <remarks>In this order: the object may have been deleted by force, and its kubelet
    /// have heard nothing of that.</remarks>
    /// <returns>Whether both are done.</returns>
    private bool Unfence(MigrationScope scope)
    {
        var request = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = false };
        try
        {
            return processes.Kill(scope)
                && calls.Ask(
                    scope, CallNames.Unfence, scope.Status.SourceNode!, (agent, t) => agent.UnfenceAsync(request, t))
                    is not null;
        }
        catch (AgentException silent) when (silent.Reason == Reasons.AgentUnavailable)
        {
            scope.Stall = MigrationStalls.SourceSilent(scope);
            throw;
        }
    }
}
