using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <content>What a checkpoint takes along when it goes, or fails.</content>
internal sealed partial class PodCheckpointReconciler
{
    /// <summary>Nobody asks any more for what agents have answered: it is written down, or not needed.</summary>
    private void ForgetAnswers(PodCheckpoint checkpoint) => calls.Forget($"pcp/{checkpoint.Metadata.Uid}/");

    private IEnumerable<ContainerCheckpoint> PartsOf(PodCheckpoint checkpoint) =>
        cluster.Where(Indexes.PartsByOwner, checkpoint.Metadata.Uid!);

    /// <summary>All or nothing: beside a container that failed, the others' dumps are no checkpoint. The failed ones stay,
    /// to tell why; of a migration all do until its end, to tell which containers it has stopped.</summary>
    private async Task DropPartsAsync(PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        foreach (var part in PartsOf(checkpoint).Where(p =>
            !IsMigrations(checkpoint) && p.Status?.Error is null && p.Metadata.DeletionTimestamp is null).ToList())
        {
            await cluster.DeleteAsync(part, graceSeconds: null, cancellationToken);
        }
    }

    /// <summary>The parts go first, with their bytes; then the marker and what is left; then the claim.</summary>
    private async Task<ReconcileResult> ReleaseAsync(PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        if (!checkpoint.Has(WellKnown.CheckpointFinalizer))
        {
            return ReconcileResult.Done;
        }

        if (Owners.WhyNeeded(checkpoint, cluster) is { } why)
        {
            events.Record(checkpoint, "Warning", Reasons.InUse, why);
            return ReconcileResult.Done;
        }

        var parts = PartsOf(checkpoint).ToList();
        foreach (var part in parts.Where(p => p.Metadata.DeletionTimestamp is null))
        {
            await cluster.DeleteAsync(part, graceSeconds: null, cancellationToken);
        }

        if (parts.Count > 0)
        {
            return ReconcileResult.Done;
        }

        // Read, not looked up: one that has just been made and is not seen yet would be left behind.
        var content = await cluster.ReadAsync<PodCheckpointContent>(new ObjectKey(null, ContentName(checkpoint)), cancellationToken);
        if (content is not null
            && content.Spec.PodCheckpointRef.Uid == checkpoint.Metadata.Uid
            && !Binding.IsRetained(checkpoint.Spec.DeletionPolicy, content.Spec.DeletionPolicy))
        {
            // Its own reconciler removes the bytes, then the object; its end wakes us.
            if (content.Metadata.DeletionTimestamp is null)
            {
                await cluster.DeleteAsync(content, graceSeconds: null, cancellationToken);
            }

            return ReconcileResult.Done;
        }

        ForgetAnswers(checkpoint);
        await cluster.SetFinalizersAsync(checkpoint, checkpoint.Without(WellKnown.CheckpointFinalizer), CancellationToken.None);
        return ReconcileResult.Done;
    }
}
