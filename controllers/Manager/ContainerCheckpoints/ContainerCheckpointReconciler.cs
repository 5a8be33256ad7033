using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Claims;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.ContainerCheckpoints;

/// <summary>Has one container dumped by its node's agent, into a content that stands before the first byte.</summary>
internal sealed class ContainerCheckpointReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    LostNodes lostNodes,
    PendingCalls calls,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    private readonly ClaimLifecycle _claims = new(cluster, events);
    private readonly ContainerDump _dump = new(agents, lostNodes, calls);

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<ContainerCheckpoint>(key) is not { } checkpoint)
        {
            return ReconcileResult.Done;
        }

        if (checkpoint.Metadata.DeletionTimestamp is not null)
        {
            await ReleaseAsync(checkpoint, cancellationToken);
            // A migration that needs it would wait for it in vain, with its pod fenced: it is made all the same, and
            // goes afterwards.
            if (!checkpoint.HasFinalizer(WellKnown.CheckpointFinalizer)
                || Owners.OwnerOf(checkpoint, cluster) is not { } owner
                || Owners.MigrationUsing(owner, cluster) is null)
            {
                return ReconcileResult.Done;
            }
        }

        if (checkpoint.Status is { Ready: true } or { Error: not null })
        {
            _dump.Forget(checkpoint);
            return ReconcileResult.Done;
        }

        var report = new ContainerCheckpointReport(checkpoint, time);
        return await _claims.AttemptAsync(
            checkpoint,
            checkpoint.Status,
            report,
            () => AttemptAsync(checkpoint, report, cancellationToken),
            cancellationToken);
    }

    /// <summary>Binds the content, and has the container dumped into it.</summary>
    private async Task<ContainerCheckpointStatus> AttemptAsync(
        ContainerCheckpoint checkpoint, ContainerCheckpointReport report, CancellationToken cancellationToken)
    {
        var owner = await RequireOwnerAsync(checkpoint, cancellationToken);
        var content = cluster.Find<ContainerCheckpointContent>(ContentKey(checkpoint))
            ?? await CreateContentAsync(checkpoint, cancellationToken);
        if (content.Spec.ContainerCheckpointRef.Uid != checkpoint.Metadata.Uid)
        {
            throw new TerminalException(
                Reasons.BindingMismatch, $"content {content.Metadata.Name} belongs to another ContainerCheckpoint");
        }

        report = report.Bound(content);
        if (content.Status is { Ready: true } ready)
        {
            return report.Ready(content, ready);
        }

        var pod = await FindPodAsync(checkpoint, cancellationToken);
        var request = ContainerDump.RequestFor(content.Spec.Source, owner, pod);
        if (_dump.Ask(checkpoint, request, content.Spec.Source.NodeName, IsOver(owner), Requeue) is not { } answer)
        {
            return report.InProgress(content.Spec.Source.NodeName, isOfMigration: request.FenceHolder.Length > 0);
        }

        var stored = ContainerCheckpointContents.Dumped(content, checkpoint, answer, time);
        await cluster.PatchStatusAsync(content, content.Status, stored, cancellationToken);
        return report.Ready(content, stored);

        void Requeue() => queue.Add(ObjectKey.Of(checkpoint));
    }

    private async Task<ContainerCheckpointContent> CreateContentAsync(
        ContainerCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var spec = checkpoint.Spec;
        var pod = await FindPodAsync(checkpoint, cancellationToken)
            ?? throw new TerminalException(Reasons.PodNotFound, $"pod {spec.PodName} does not exist");
        if (pod.Metadata.Uid != spec.PodUID)
        {
            throw new TerminalException(
                Reasons.SourcePodReplaced, $"pod {spec.PodName} has uid {pod.Metadata.Uid}, not {spec.PodUID}");
        }

        return await cluster.CreateOrGetAsync(ContainerCheckpointContents.For(checkpoint, pod), cancellationToken);
    }

    /// <summary>Who has the pod's name: as the API server says, where it does not seem to be the pod.</summary>
    private Task<V1Pod?> FindPodAsync(ContainerCheckpoint checkpoint, CancellationToken cancellationToken) =>
        cluster.FindOrReadAsync<V1Pod>(
            new ObjectKey(checkpoint.Metadata.NamespaceProperty, checkpoint.Spec.PodName),
            pod => pod.Metadata.Uid == checkpoint.Spec.PodUID,
            cancellationToken);

    /// <summary>The PodCheckpoint that owns a checkpoint; null where it says that none does.</summary>
    /// <exception cref="TerminalException">That has gone: the checkpoint was created by a call that came late, and a
    /// dump would stop a pod for nobody, or for another migration than the one that holds its fence.</exception>
    private async Task<PodCheckpoint?> RequireOwnerAsync(
        ContainerCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        if (checkpoint.ControllerKey(nameof(PodCheckpoint)) is not { } key)
        {
            return null;
        }

        var owner = await cluster.FindOrReadAsync<PodCheckpoint>(
            key, o => checkpoint.IsControlledBy(o), cancellationToken);
        return owner is not null && checkpoint.IsControlledBy(owner)
            ? owner
            : throw new TerminalException(
                Reasons.BindingMismatch, $"PodCheckpoint {key.Name}, which this is a part of, has gone");
    }

    /// <summary>Whether a checkpoint was for a migration that is not its owner any more: nobody holds the pod for it,
    /// and a dump would stop one that serves.</summary>
    private static bool IsOver(PodCheckpoint? owner) =>
        owner?.Metadata.Labels?.ContainsKey(WellKnown.MigrationUid) == true
        && owner.ControllerKey(nameof(PodMigration)) is null;

    /// <summary>With Delete the content and its bytes go too, with Retain both stay.</summary>
    private async Task ReleaseAsync(ContainerCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        if (!checkpoint.HasFinalizer(WellKnown.CheckpointFinalizer)
            || _claims.ReportIfHeld(checkpoint, Owners.WhyNeeded(checkpoint, cluster)))
        {
            return;
        }

        // Read, not looked up: one that has just been made and is not seen yet would be left behind.
        var content = await cluster.ReadAsync<ContainerCheckpointContent>(ContentKey(checkpoint), cancellationToken);
        var isDeletedWithIt = content is not null
            && content.Spec.ContainerCheckpointRef.Uid == checkpoint.Metadata.Uid
            && !await IsRetainedAsync(checkpoint, content, cancellationToken);
        if (!isDeletedWithIt)
        {
            _dump.Forget(checkpoint);
        }

        await _claims.ReleaseAsync(checkpoint, isDeletedWithIt ? content : null, cancellationToken);
    }

    /// <summary>Whoever says Retain is heard: the claim, its content, or the content of the PodCheckpoint that owns it.
    /// So is who has given that to another claim, and its containers' contents with it.</summary>
    private async Task<bool> IsRetainedAsync(
        ContainerCheckpoint checkpoint, ContainerCheckpointContent content, CancellationToken cancellationToken)
    {
        if (Binding.IsRetained(checkpoint.Spec.DeletionPolicy, content.Spec.DeletionPolicy))
        {
            return true;
        }

        if (checkpoint.ControllerKey(nameof(PodCheckpoint)) is not { } key
            || cluster.Find<PodCheckpoint>(key) is not { } owner)
        {
            return false;
        }

        // Read, not looked up: bytes do not come back.
        var podContent = await cluster.ReadAsync<PodCheckpointContent>(
            new ObjectKey(null, ContentNames.Of(owner)), cancellationToken);
        return Binding.IsRetained(owner.Spec.DeletionPolicy, podContent?.Spec.DeletionPolicy)
            || (podContent is not null && podContent.Spec.PodCheckpointRef.Uid != owner.Metadata.Uid);
    }

    private static ObjectKey ContentKey(ContainerCheckpoint checkpoint) => new(null, ContentNames.Of(checkpoint));
}
