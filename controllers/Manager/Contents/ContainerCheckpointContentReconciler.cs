using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>Tells whether a container's content is bound, and lets it go with its bytes.</summary>
internal sealed class ContainerCheckpointContentReconciler(
    ICluster cluster, ContentRelease release, SharedBytes sharedBytes, IEventRecorder events, WorkQueue queue,
    TimeProvider time) : IReconciler
{
    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<ContainerCheckpointContent>(key) is not { } content)
        {
            return ReconcileResult.Done;
        }

        var reference = content.Spec.ContainerCheckpointRef;
        var claim = await cluster.FindClaimAsync<ContainerCheckpoint>(reference, cancellationToken);

        if (content.Metadata.DeletionTimestamp is null)
        {
            var status = content.Status ?? new ContainerCheckpointContentStatus();
            if (claim is not null && status.Ready != true)
            {
                // Being made: its claim's reconciler writes, and a pod may stand still meanwhile.
                return ReconcileResult.Done;
            }

            if (status.Ready != true && claim is null
                && Binding.IsLate(content, ContentNames.ForContainerCheckpoint, reference, content.Spec.DeletionPolicy))
            {
                await cluster.DeleteAsync(content, graceSeconds: null, cancellationToken);
                return ReconcileResult.Done;
            }

            var next = status with
            {
                ObservedGeneration = content.Metadata.Generation,
                Conditions = status.Conditions.WithBound(content, reference, claim, time),
            };
            await cluster.PatchStatusAsync(content, content.Status, next, cancellationToken);
            events.RecordChanges(content, content.Status?.Conditions, next.Conditions);
        }
        else if (Binding.WhyHeld(cluster, claim) is { } why)
        {
            events.Record(content, "Warning", Reasons.InUse, why);
        }
        else
        {
            var keepBytes = Binding.IsRetained(content.Spec.DeletionPolicy, claim?.Spec.DeletionPolicy)
                || (content.HasFinalizer(WellKnown.ContentFinalizer) && !release.IsUnderWay(content)
                    && await sharedBytes.KeeperOfAsync(content, claim, cancellationToken) is not null);
            return await release.ReleaseAsync(
                content, content.Spec.Source, keepBytes, () => queue.Add(key), cancellationToken);
        }

        return ReconcileResult.Done;
    }
}
