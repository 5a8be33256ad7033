using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Claims;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>Has all containers of a pod dumped, and seals the checkpoint when every one of them stands.</summary>
internal sealed class PodCheckpointReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    LostNodes lostNodes,
    PendingCalls calls,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    private readonly ClaimLifecycle _claims = new(cluster, events);
    private readonly OwnedContainerCheckpoints _owned = new(cluster);
    private readonly CheckpointImport _import = new(cluster);
    private readonly SourcePods _sources = new(cluster);
    private readonly CheckpointSeal _seal = new(agents, lostNodes, calls);

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<PodCheckpoint>(key) is not { } checkpoint)
        {
            return ReconcileResult.Done;
        }

        if (checkpoint.Metadata.DeletionTimestamp is not null)
        {
            await ReleaseAsync(checkpoint, cancellationToken);
            // A migration that needs it would wait for it in vain, with its pod fenced: it is
            // made all the same, and goes afterwards.
            if (!checkpoint.HasFinalizer(WellKnown.CheckpointFinalizer)
                || Owners.MigrationUsing(checkpoint, cluster) is null)
            {
                return ReconcileResult.Done;
            }
        }

        if (checkpoint.Status is { Error: not null })
        {
            _seal.Forget(checkpoint);
            // All or nothing: beside a container that failed, the others' dumps are no checkpoint. The failed ones
            // stay, to tell why; of a migration all do until its end, to tell which containers it has stopped.
            if (checkpoint.ControllerKey(nameof(PodMigration)) is null)
            {
                await _owned.DeleteAsync(_owned.Of(checkpoint).Where(c => c.Status?.Error is null), cancellationToken);
            }

            return ReconcileResult.Done;
        }

        if (checkpoint.Status is { Ready: true } && await IsStillWholeAsync(checkpoint, cancellationToken))
        {
            _seal.Forget(checkpoint);
            return ReconcileResult.Done;
        }

        var report = new PodCheckpointReport(checkpoint, time);
        return await _claims.AttemptAsync(
            checkpoint,
            checkpoint.Status,
            report,
            () => AttemptAsync(checkpoint, report, cancellationToken),
            cancellationToken);
    }

    /// <summary>Whether a checkpoint that was whole has its content still, and that its bytes.</summary>
    private async Task<bool> IsStillWholeAsync(PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        // Who was given it is not refused for a view that lags behind. Where there is none any more, nothing is made in
        // its place: that would be another dump.
        var content = await cluster.FindOrReadAsync<PodCheckpointContent>(
            ContentKey(checkpoint), c => IsBound(checkpoint, c), cancellationToken);
        return content is null || (IsBound(checkpoint, content) && content.Status?.Error is null);
    }

    /// <summary>Imports a content, or goes one step towards one of its own: a name, a content, the containers, the
    /// seal.</summary>
    private async Task<PodCheckpointStatus> AttemptAsync(
        PodCheckpoint checkpoint, PodCheckpointReport report, CancellationToken cancellationToken)
    {
        if (checkpoint.Spec.PodCheckpointContentName is { } import)
        {
            return await _import.BindAsync(checkpoint, import, report, cancellationToken);
        }

        if (report.Stored.CheckpointID is null)
        {
            // Chosen once and stored before anything happens: whoever comes next goes on with the same checkpoint.
            var pod = await _sources.FindAsync(checkpoint, cancellationToken);
            return report.Named(IdFor(checkpoint), pod);
        }

        var content = cluster.Find<PodCheckpointContent>(ContentKey(checkpoint))
            ?? await cluster.CreateOrGetAsync(PodCheckpointContents.For(checkpoint), cancellationToken);
        if (!IsBound(checkpoint, content))
        {
            throw new TerminalException(
                Reasons.BindingMismatch, $"content {content.Metadata.Name} belongs to another PodCheckpoint");
        }

        report = report.Bound(content);
        if (content.Status?.Error is { } lost)
        {
            // Not the end: the volume may come back.
            return report.Waiting(
                lost.Reason ?? Reasons.ArtifactMissing,
                $"the checkpoint is not on the volume any more: {lost.Message}");
        }

        var containers = await _owned.EnsureAsync(checkpoint, cancellationToken);
        return Unfinished(containers, report)
            ?? await SealAsync(checkpoint, content, containers, report, cancellationToken);
    }

    /// <summary>A migration's checkpoint has the id that its target pod has been told.</summary>
    private string IdFor(PodCheckpoint checkpoint)
    {
        if (checkpoint.ControllerKey(nameof(PodMigration)) is not { } key)
        {
            return ArtifactUri.NewCheckpointId(time);
        }

        var migration = cluster.Find<PodMigration>(key);
        return migration is not null && checkpoint.IsControlledBy(migration)
            && MigrationScope.CheckpointNameFor(migration) == checkpoint.Metadata.Name
                ? MigrationScope.CheckpointIdFor(migration)
                : throw new TerminalException(
                    Reasons.BindingMismatch,
                    $"PodCheckpoint {checkpoint.Metadata.Name} is not the one of PodMigration {key.Name}, "
                    + "which owns it");
    }

    /// <summary>The status while a container is not dumped; null when all of them are.</summary>
    /// <exception cref="TerminalException">One of them has failed.</exception>
    private static PodCheckpointStatus? Unfinished(List<ContainerCheckpoint> containers, PodCheckpointReport report)
    {
        if (containers.Find(c => c.Status?.Error is not null) is { } failed)
        {
            throw new TerminalException(
                failed.Status!.Error!.Reason ?? Reasons.CheckpointFailed,
                $"container {failed.Spec.ContainerName}: {failed.Status.Error.Message}");
        }

        foreach (var container in containers)
        {
            var ready = container.Status?.Conditions.Find(ConditionTypes.Ready);
            if (ready is { Status: "False", Reason: not Reasons.CheckpointInProgress } why)
            {
                return report.Waiting(why.Reason!, $"container {container.Spec.ContainerName}: {why.Message}");
            }
        }

        var dumped = containers.Count(c => c.Status?.Ready == true);
        return dumped < containers.Count ? report.InProgress(dumped, containers.Count) : null;
    }

    private async Task<PodCheckpointStatus> SealAsync(
        PodCheckpoint checkpoint,
        PodCheckpointContent content,
        List<ContainerCheckpoint> containers,
        PodCheckpointReport report,
        CancellationToken cancellationToken)
    {
        if (content.Status?.Ready == true)
        {
            return report.Ready(content.Status);
        }

        if (_seal.Ask(checkpoint, containers, () => queue.Add(ObjectKey.Of(checkpoint))) is { } answer)
        {
            var status = PodCheckpointContents.Sealed(content, checkpoint, containers, answer, time);
            await cluster.PatchStatusAsync(content, content.Status, status, cancellationToken);
        }

        return report.Sealing();
    }

    /// <summary>The containers' checkpoints go first, with their bytes; then the marker and what is left; then the
    /// claim.</summary>
    private async Task ReleaseAsync(PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        if (!checkpoint.HasFinalizer(WellKnown.CheckpointFinalizer)
            || _claims.ReportIfHeld(checkpoint, Owners.WhyNeeded(checkpoint, cluster)))
        {
            return;
        }

        var containers = _owned.Of(checkpoint);
        if (containers.Count > 0)
        {
            await _owned.DeleteAsync(containers, cancellationToken);
            return;
        }

        // Read, not looked up: one that has just been made and is not seen yet would be left behind.
        var content = await cluster.ReadAsync<PodCheckpointContent>(ContentKey(checkpoint), cancellationToken);
        var isDeletedWithIt = content is not null
            && IsBound(checkpoint, content)
            && !Binding.IsRetained(checkpoint.Spec.DeletionPolicy, content.Spec.DeletionPolicy);
        if (!isDeletedWithIt)
        {
            _seal.Forget(checkpoint);
        }

        await _claims.ReleaseAsync(checkpoint, isDeletedWithIt ? content : null, cancellationToken);
    }

    private static bool IsBound(PodCheckpoint checkpoint, PodCheckpointContent content) =>
        content.Spec.PodCheckpointRef.Uid == checkpoint.Metadata.Uid;

    private static ObjectKey ContentKey(PodCheckpoint checkpoint) => new(null, ContentNames.Of(checkpoint));
}
