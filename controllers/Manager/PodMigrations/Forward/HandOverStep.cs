using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Gives the target the source's place in its ReplicaSet: see <see cref="Handover"/> for the order.</summary>
/// <remarks>Each of its two writes to metadata leaves the mark by which the next run sees that it is done.</remarks>
internal sealed class HandOverStep(
    ICluster cluster, MigrationObjects objects, SourceProcesses processes, TimeProvider time) : IMigrationStep
{
    /// <summary>How long a restored pod may take to be ready before it takes over all the same.</summary>
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromMinutes(5);

    /// <summary>From when on that is told as something to look at.</summary>
    private static readonly TimeSpan ReadySoon = TimeSpan.FromSeconds(30);

    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (objects.FindTarget(scope) is not { } target || !Handover.IsDue(target))
        {
            return true;
        }

        var source = objects.FindSource(scope);
        if (source is { Metadata.DeletionTimestamp: null })
        {
            if (!Handover.IsOffered(source))
            {
                await cluster.PatchMetadataAsync(source, Handover.Offered(source), cancellationToken);
                return false;
            }

            if (!target.IsReady())
            {
                // Counted together with the source, it would be the one to go. After a while the source goes first, and
                // the ReplicaSet may start another pod meanwhile.
                var since =
                    time.GetUtcNow().UtcDateTime - scope.Condition(ConditionTypes.RestoreVerified)!.LastTransitionTime;
                scope.Phase(
                    MigrationPhases.Finalizing,
                    $"pod {target.Metadata.Name} runs; it takes the source's place in its ReplicaSet when it is ready");
                scope.Stall = since > ReadySoon
                    ? new(
                        Reasons.TargetNotReady,
                        $"pod {target.Metadata.Name} is not ready, so its ReplicaSet would drop it")
                    : null;
                return since > ReadyLimit;
            }

            if (!processes.Kill(scope, source))
            {
                return false;
            }
        }

        await cluster.PatchMetadataAsync(target, Handover.PatchFor(target, source), cancellationToken);
        return false;
    }
}
