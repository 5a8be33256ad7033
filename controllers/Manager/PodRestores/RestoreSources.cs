using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodRestores;

/// <summary>Finds what pods are restored from: a PodCheckpoint of their namespace, and the content that it is bound
/// to.</summary>
internal sealed class RestoreSources(ICluster cluster)
{
    /// <summary>The PodCheckpoint of an artifact that serves a pod best; null where the pod's namespace has none.
    /// Several may be of one artifact, imported ones beside the one that made it.</summary>
    /// <exception cref="TerminalException">The best one was being deleted already when the pod was created.</exception>
    public PodCheckpoint? Find(V1Pod pod, ArtifactUri uri)
    {
        var artifact = Indexes.ArtifactKey(pod.Metadata.NamespaceProperty, uri.PodUid, uri.CheckpointId);
        var checkpoint = cluster.ByIndex(Indexes.PodCheckpointsByArtifact, artifact).MinBy(c => Rank(c, pod));
        // It waits for the pods that it had; one that comes later may find half of its bytes gone.
        return checkpoint?.Metadata.DeletionTimestamp is { } deleted && pod.Metadata.CreationTimestamp >= deleted
            ? throw new TerminalException(
                Reasons.RestoreRefused,
                $"PodCheckpoint {checkpoint.Metadata.Name} was being deleted already when the pod was created")
            : checkpoint;
    }

    /// <summary>The content of a PodCheckpoint that is ready.</summary>
    /// <exception cref="TerminalException">The two do not point at each other.</exception>
    public PodCheckpointContent RequireContent(PodCheckpoint checkpoint)
    {
        var status = checkpoint.Status!;
        return cluster.Find<PodCheckpointContent>(new ObjectKey(null, status.BoundContentName!)) is { } content
            && content.Spec.PodCheckpointRef.Uid == checkpoint.Metadata.Uid
            && content.Spec.Source.PodUID == status.PodUID
            && content.Spec.Source.CheckpointID == status.CheckpointID
            && content.Metadata.Name == ContentNames.Of(checkpoint)
                ? content
                : throw new TerminalException(
                    Reasons.BindingMismatch,
                    $"PodCheckpoint {checkpoint.Metadata.Name} and its content do not point at each other");
    }

    /// <summary>What the objects say of a container's artifact; empty for an imported checkpoint, which has no object
    /// for each container: the agent goes by the checkpoint's own marker.</summary>
    public string DigestOf(PodCheckpointContent content, string container) =>
        cluster.ByIndex(Indexes.ContainerContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source))
            .FirstOrDefault(c => c.Spec.Source.ContainerName == container)?.Status?.CompressedDigest ?? "";

    private static int Rank(PodCheckpoint checkpoint, V1Pod pod) => checkpoint switch
    {
        { Metadata.DeletionTimestamp: null, Status.Ready: true } => 0,
        { Metadata.DeletionTimestamp: { } deleted, Status.Ready: true }
            when pod.Metadata.CreationTimestamp < deleted => 1,
        { Metadata.DeletionTimestamp: null, Status.Error: null } => 2,
        _ => 3,
    };
}
