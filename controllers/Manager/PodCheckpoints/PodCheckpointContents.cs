using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>What the contents of PodCheckpoints are made of.</summary>
internal static class PodCheckpointContents
{
    /// <summary>The content of a checkpoint that has its name, before the first byte.</summary>
    public static PodCheckpointContent For(PodCheckpoint checkpoint) => new()
    {
        Metadata = new V1ObjectMeta { Name = ContentNames.Of(checkpoint), Finalizers = [WellKnown.ContentFinalizer] },
        Spec = new PodCheckpointContentSpec
        {
            PodCheckpointRef = Binding.ReferenceTo(checkpoint),
            DeletionPolicy = checkpoint.Spec.DeletionPolicy ?? DeletionPolicies.Delete,
            Source = new CheckpointSource
            {
                PodNamespace = checkpoint.Metadata.NamespaceProperty!,
                PodName = checkpoint.Spec.PodName,
                PodUID = checkpoint.Status!.PodUID!,
                NodeName = checkpoint.Status.NodeName!,
                CheckpointID = checkpoint.Status.CheckpointID!,
            },
        },
    };

    /// <summary>The status of a content whose checkpoint has been sealed.</summary>
    public static PodCheckpointContentStatus Sealed(
        PodCheckpointContent content,
        PodCheckpoint checkpoint,
        List<ContainerCheckpoint> containers,
        SealResponse answer,
        TimeProvider time)
    {
        var status = content.Status ?? new PodCheckpointContentStatus();
        return status with
        {
            ObservedGeneration = content.Metadata.Generation,
            Ready = true,
            Conditions = status.Conditions
                .WithBound(content, content.Spec.PodCheckpointRef, checkpoint, time)
                .With(
                    ConditionTypes.Ready, "True", Reasons.CheckpointCompleted, "the checkpoint is whole",
                    content.Metadata.Generation, time.GetUtcNow().UtcDateTime),
            Containers = [.. containers.Select(c => c.Spec.ContainerName)],
            Volumes = checkpoint.Status!.Volumes,
            ArtifactURI = answer.ArtifactUri,
            Size = (long)answer.CompressedSize,
            ContainerContents = [.. containers.Select(c => c.Status!.BoundContentName!)],
        };
    }
}
