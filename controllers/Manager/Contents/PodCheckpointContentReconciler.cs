using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>Tells whether a pod's content is bound and what stands on the volume, and
/// lets it go with its bytes.</summary>
internal sealed class PodCheckpointContentReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    PendingCalls calls,
    ContentRelease release,
    SharedBytes sharedBytes,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<PodCheckpointContent>(key) is not { } content)
        {
            return ReconcileResult.Done;
        }

        var reference = content.Spec.PodCheckpointRef;
        var claim = await cluster.FindClaimAsync<PodCheckpoint>(reference, cancellationToken);

        if (content.Metadata.DeletionTimestamp is not null)
        {
            return await ReleaseAsync(content, claim, () => queue.Add(key), cancellationToken);
        }

        // Made by hand, it has no finalizer yet, and its bytes would be lost sight of.
        if (!content.HasFinalizer(WellKnown.ContentFinalizer))
        {
            await cluster.AddFinalizerAsync(content, WellKnown.ContentFinalizer, cancellationToken);
            return ReconcileResult.Done;
        }

        var status = content.Status ?? new PodCheckpointContentStatus();
        var isBeingMade = claim is { Spec.PodName.Length: > 0 } && status is { Ready: not true, Error: null };
        if (isBeingMade)
        {
            // Its claim's reconciler writes.
            return ReconcileResult.Done;
        }

        if (claim is null && status.ArtifactURI is null
            && Binding.IsLate(content, ContentNames.ForPodCheckpoint, reference, content.Spec.DeletionPolicy))
        {
            await cluster.DeleteAsync(content, graceSeconds: null, cancellationToken);
            return ReconcileResult.Done;
        }

        var next = status with
        {
            ObservedGeneration = content.Metadata.Generation,
            Conditions = status.Conditions.WithBound(content, reference, claim, time),
        };
        if (status.Ready != true)
        {
            next = VerifyOnVolume(content, next, () => queue.Add(key));
        }

        await cluster.PatchStatusAsync(content, content.Status, next, cancellationToken);
        events.RecordChanges(content, content.Status?.Conditions, next.Conditions);
        return next.Error is null ? ReconcileResult.Done : new ReconcileResult(TimeSpan.FromMinutes(1));
    }

    /// <summary>What stands on the volume, for a content that nobody here has made.</summary>
    private PodCheckpointContentStatus VerifyOnVolume(
        PodCheckpointContent content, PodCheckpointContentStatus status, Action requeue)
    {
        var source = content.Spec.Source;
        var uri = ArtifactUri.ForPod(source.PodUID, source.CheckpointID).ToString();
        var call = $"content/{content.Metadata.Uid}/verify";
        try
        {
            var request = new VerifyCheckpointRequest { ArtifactUri = uri, ManifestsOnly = true };
            var answer = calls.AskAny(
                call, agents, first: null, (agent, token) => agent.VerifyCheckpointAsync(request, token), requeue);
            if (answer?.Checkpoint is not { } stored)
            {
                return status;
            }

            calls.Forget(call);
            if (stored.PodNamespace != source.PodNamespace)
            {
                throw new AgentException(
                    Reasons.NamespaceMismatch,
                    $"source.podNamespace is {source.PodNamespace}, but the checkpoint was taken in "
                        + $"{stored.PodNamespace}",
                    isTerminal: true);
            }

            return status with
            {
                Ready = true,
                ArtifactURI = uri,
                Size = (long)stored.Bytes,
                Containers = [.. stored.ContainerNames],
                Volumes = stored.VolumeNames.Count > 0 ? [.. stored.VolumeNames] : null,
                Error = null,
                Conditions = status.Conditions.With(
                    ConditionTypes.Ready, "True", Reasons.CheckpointCompleted, "the checkpoint is whole on the volume",
                    content.Metadata.Generation, Now),
            };
        }
        catch (AgentException exception)
        {
            return status with
            {
                Ready = false,
                Error = status.Error?.Message == exception.Message
                    ? status.Error
                    : new CheckpointError { Time = Now, Reason = exception.Reason, Message = exception.Message },
                Conditions = status.Conditions.With(
                    ConditionTypes.Ready, "False", exception.Reason, exception.Message,
                    content.Metadata.Generation, Now),
            };
        }
    }

    private async Task<ReconcileResult> ReleaseAsync(
        PodCheckpointContent content, PodCheckpoint? claim, Action requeue, CancellationToken cancellationToken)
    {
        if (Binding.WhyHeld(cluster, claim) is { } why)
        {
            events.Record(content, "Warning", Reasons.InUse, why);
            return ReconcileResult.Done;
        }

        var keepBytes = Binding.IsRetained(content.Spec.DeletionPolicy, claim?.Spec.DeletionPolicy);
        if (!keepBytes && content.HasFinalizer(WellKnown.ContentFinalizer)
            && await sharedBytes.OtherOfAsync(content, cancellationToken) is { } other)
        {
            events.Record(
                content, "Normal", Reasons.InUse,
                $"goes without its bytes, which PodCheckpointContent {other.Metadata.Name} names, too: they go with "
                    + "that");
            keepBytes = true;
        }

        if (!keepBytes)
        {
            // Contents of containers that were retained with it; those with a claim of their own go with that.
            var containers = cluster.ByIndex(
                Indexes.ContainerContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source));
            foreach (var container in containers.Where(c => c.Metadata.DeletionTimestamp is null))
            {
                await cluster.DeleteAsync(container, graceSeconds: null, cancellationToken);
            }
        }

        return await release.ReleaseAsync(content, content.Spec.Source, keepBytes, requeue, cancellationToken);
    }

    private DateTime Now => time.GetUtcNow().UtcDateTime;
}
