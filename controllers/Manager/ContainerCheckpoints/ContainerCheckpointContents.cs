using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;

namespace PodCheckpointing.Manager.ContainerCheckpoints;

/// <summary>What the contents of ContainerCheckpoints are made of.</summary>
internal static class ContainerCheckpointContents
{
    /// <summary>The content of a checkpoint, before the first byte.</summary>
    public static ContainerCheckpointContent For(ContainerCheckpoint checkpoint, V1Pod pod) => new()
    {
        Metadata = new V1ObjectMeta { Name = ContentNames.Of(checkpoint), Finalizers = [WellKnown.ContentFinalizer] },
        Spec = new ContainerCheckpointContentSpec
        {
            ContainerCheckpointRef = Binding.ReferenceTo(checkpoint),
            DeletionPolicy = checkpoint.Spec.DeletionPolicy ?? DeletionPolicies.Delete,
            Source = new CheckpointSource
            {
                PodNamespace = checkpoint.Metadata.NamespaceProperty!,
                PodName = pod.Metadata.Name!,
                PodUID = pod.Metadata.Uid!,
                NodeName = pod.Spec.NodeName ?? "",
                CheckpointID = checkpoint.Spec.CheckpointID,
                ContainerName = checkpoint.Spec.ContainerName,
            },
            ArtifactURI = ArtifactUri.ForContainer(
                pod.Metadata.Uid!, checkpoint.Spec.CheckpointID, checkpoint.Spec.ContainerName).ToString(),
        },
    };

    /// <summary>The status of a bound content whose container has been dumped.</summary>
    public static ContainerCheckpointContentStatus Dumped(
        ContainerCheckpointContent content,
        ContainerCheckpoint checkpoint,
        CheckpointResponse answer,
        TimeProvider time)
    {
        var status = StatusOf(content, answer);
        return status with
        {
            Conditions = status.Conditions
                .WithBound(content, content.Spec.ContainerCheckpointRef, checkpoint, time)
                .With(
                    ConditionTypes.Ready, "True", Reasons.CheckpointCompleted, "the artifact is whole",
                    content.Metadata.Generation, time.GetUtcNow().UtcDateTime),
        };
    }

    /// <summary>What an agent tells of a dump.</summary>
    internal static ContainerCheckpointContentStatus StatusOf(
        ContainerCheckpointContent content, CheckpointResponse answer) =>
        (content.Status ?? new ContainerCheckpointContentStatus()) with
        {
            ObservedGeneration = content.Metadata.Generation,
            Ready = true,
            Size = (long)answer.Size,
            CompressedSize = (long)answer.CompressedSize,
            Digest = answer.Digest,
            CompressedDigest = answer.CompressedDigest,
            ImageReference = answer.ImageReference,
            ImageID = answer.ImageId,
            Runtime = answer.Runtime,
            CriuVersion = answer.CriuVersion,
            LeftStopped = answer.LeftStopped,
            StoppedAt = answer.StoppedAt.ToDateTime(),
            KubeletCallMicroseconds = (long)answer.KubeletCallMicroseconds,
        };
}
