using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>Bytes that several contents name: they go with the last of them.</summary>
internal static class SharedBytes
{
    /// <summary>Another content of the same bytes that is there to stay; null where there is none.</summary>
    /// <remarks>As seen: who saw that this content is being deleted has seen all that were made before, for both are told by one
    /// watch.</remarks>
    public static PodCheckpointContent? OtherOf(this ICluster cluster, PodCheckpointContent content) =>
        cluster.ByIndex(Indexes.PodContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source))
            .FirstOrDefault(c => c.Metadata.Uid != content.Metadata.Uid && IsToStay(c, cluster));

    /// <summary>The content of a whole checkpoint that a container's bytes stay for: another one than that of the checkpoint that
    /// they were made for, or that one, when it is about to go and takes all bytes along at once.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="content">The container's content.</param>
    /// <param name="claim">Its claim, where that is there still.</param>
    /// <param name="isSure">Whether the server has said before that there is none: a volume that refuses for an hour is no reason to have it
    /// list all contents for each of them at each attempt.</param>
    /// <param name="cancellationToken">Ends the wait for the server.</param>
    public static async Task<PodCheckpointContent?> KeeperOfAsync(
        this ICluster cluster, ContainerCheckpointContent content, ContainerCheckpoint? claim, bool isSure, CancellationToken cancellationToken)
    {
        var owner = claim is null ? null : Owners.OwnerOf(claim, cluster);
        bool Keeps(PodCheckpointContent other) =>
            Indexes.CheckpointKey(other.Spec.Source) == Indexes.CheckpointKey(content.Spec.Source)
            && IsToStay(other, cluster)
            && (owner is null or { Metadata.DeletionTimestamp: not null }
                || other.Spec.PodCheckpointRef.Uid != owner.Metadata.Uid);
        var contents = cluster.ByIndex(Indexes.PodContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source));
        foreach (var seen in contents.Where(Keeps).ToList())
        {
            if (await cluster.ReadAsync<PodCheckpointContent>(ObjectKey.Of(seen), cancellationToken) is { } there && Keeps(there))
            {
                return there;
            }
        }

        // Two kinds are told by two watches, and one of them may lag behind: bytes do not come back.
        return isSure ? null : (await cluster.ListAsync<PodCheckpointContent>(cancellationToken)).FirstOrDefault(Keeps);
    }

    /// <summary>Also one that is deleted while its claim is there, or while somebody needs the bytes: it waits for that.</summary>
    private static bool IsToStay(PodCheckpointContent content, ICluster cluster) =>
        content.Metadata.DeletionTimestamp is null
        || (content.Spec.PodCheckpointRef is { Uid: { } uid } reference
            && cluster.Find<PodCheckpoint>(new ObjectKey(reference.NamespaceProperty, reference.Name)) is { } claim
            && claim.Metadata.Uid == uid && Binding.WhyHeld(cluster, claim) is not null);
}
