using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <content>Takes a content that stands already, because an administrator has offered it.</content>
internal sealed partial class PodCheckpointReconciler
{
    /// <remarks>Nothing here is terminal: claim and content may be applied in any order, and mended.</remarks>
    private async Task<PodCheckpointStatus> ImportAsync(
        PodCheckpoint checkpoint, string name, PodCheckpointStatus status, CancellationToken cancellationToken)
    {
        var content = cluster.Find<PodCheckpointContent>(new ObjectKey(null, name));
        var reference = content?.Spec.PodCheckpointRef;
        if (content is null || content.Metadata.DeletionTimestamp is not null
            || reference!.NamespaceProperty != checkpoint.Metadata.NamespaceProperty
            || reference.Name != checkpoint.Metadata.Name
            || (reference.Uid is { } uid && uid != checkpoint.Metadata.Uid))
        {
            // The same words whether it exists or not: what other namespaces have is not this one's business.
            return Waiting(
                checkpoint, status, Reasons.BindingMismatch,
                $"PodCheckpointContent {name} is not offered to this PodCheckpoint: an administrator sets its podCheckpointRef to "
                + $"{checkpoint.Metadata.NamespaceProperty}/{checkpoint.Metadata.Name}, without a uid");
        }

        if (reference.Uid is null)
        {
            // The first one wins: whoever else has tried with this version of the content is refused.
            await cluster.PatchSpecAsync(
                content,
                content.Spec,
                content.Spec with { PodCheckpointRef = reference with { Uid = checkpoint.Metadata.Uid } },
                cancellationToken);
            return Waiting(checkpoint, status, Reasons.Pending, $"PodCheckpointContent {name} is being bound");
        }

        if (content.Status is not { Ready: true } ready)
        {
            return content.Status?.Error is { } error
                ? Waiting(checkpoint, status, error.Reason ?? Reasons.ArtifactMissing, $"PodCheckpointContent {name}: {error.Message}")
                : Waiting(checkpoint, status, Reasons.Pending, $"PodCheckpointContent {name} is being compared with the volume");
        }

        return status with
        {
            ObservedGeneration = checkpoint.Metadata.Generation,
            Ready = true,
            BoundContentName = name,
            CheckpointID = content.Spec.Source.CheckpointID,
            PodUID = content.Spec.Source.PodUID,
            NodeName = content.Spec.Source.NodeName,
            Containers = ready.Containers ?? [],
            Volumes = ready.Volumes,
            Size = ready.Size,
            CreationTime = status.CreationTime ?? Now,
            Conditions = Condition(
                checkpoint, status, "True", Reasons.CheckpointCompleted,
                $"pod {content.Spec.Source.PodName}'s checkpoint {content.Spec.Source.CheckpointID} is imported"),
        };
    }

    private PodCheckpointStatus Waiting(PodCheckpoint checkpoint, PodCheckpointStatus status, string reason, string message) =>
        status with
        {
            ObservedGeneration = checkpoint.Metadata.Generation,
            Ready = false,
            Conditions = Condition(checkpoint, status, "False", reason, message),
        };
}
