using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>Bytes that several contents name: they go with the last of them.</summary>
internal static class SharedBytes
{
    /// <summary>Another content of the same bytes that is there to stay; null where there is none.</summary>
    /// <remarks>Who saw that this content is being deleted has seen all that were made before, for both are told by one
    /// watch; of those that are made while it waits, perhaps for an hour, the server tells.</remarks>
    public static async Task<PodCheckpointContent?> OtherOfAsync(
        this ICluster cluster,
        PodCheckpointContent content,
        ContentRelease release,
        CancellationToken cancellationToken)
    {
        bool Stays(PodCheckpointContent other) =>
            Indexes.CheckpointKey(other.Spec.Source) == Indexes.CheckpointKey(content.Spec.Source)
            && other.Metadata.Uid != content.Metadata.Uid && IsToStay(other, cluster);
        return cluster.ByIndex(Indexes.PodContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source))
            .FirstOrDefault(Stays)
            ?? (release.IsUnderWay(content) ? null
                : await cluster.FirstThereAsync(
                    await release.PodContents.RecentAsync(cancellationToken), Stays, cancellationToken));
    }

    /// <summary>The PodCheckpointContent for whose sake a container's bytes stay: one of another claim; or the owner's
    /// own, when the owner is gone or being deleted and its content will remove all bytes at once.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="content">The container's content.</param>
    /// <param name="claim">Its claim, where that is there still.</param>
    /// <param name="release">Knows whether the server has said before that there is none.</param>
    /// <param name="cancellationToken">Ends the wait for the server.</param>
    public static async Task<PodCheckpointContent?> KeeperOfAsync(
        this ICluster cluster,
        ContainerCheckpointContent content,
        ContainerCheckpoint? claim,
        ContentRelease release,
        CancellationToken cancellationToken)
    {
        var owner = claim is null ? null : Owners.OwnerOf(claim, cluster);
        bool Keeps(PodCheckpointContent other) =>
            Indexes.CheckpointKey(other.Spec.Source) == Indexes.CheckpointKey(content.Spec.Source)
            && IsToStay(other, cluster)
            && (owner is null or { Metadata.DeletionTimestamp: not null }
                || other.Spec.PodCheckpointRef.Uid != owner.Metadata.Uid);
        var seen = cluster.ByIndex(Indexes.PodContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source))
            .ToList();
        // Two kinds are told by two watches, and one of them may lag behind: bytes do not come back.
        return await cluster.FirstThereAsync(seen, Keeps, cancellationToken)
            ?? await cluster.FirstThereAsync(
                release.HasBegun(content)
                    ? await release.PodContents.RecentAsync(cancellationToken)
                    : await release.PodContents.AskAsync(cancellationToken),
                Keeps,
                cancellationToken);
    }

    /// <summary>The first of some contents that is as it should be now, too.</summary>
    private static async Task<PodCheckpointContent?> FirstThereAsync(
        this ICluster cluster,
        IEnumerable<PodCheckpointContent> contents,
        Func<PodCheckpointContent, bool> isWanted,
        CancellationToken cancellationToken)
    {
        foreach (var content in contents.Where(isWanted))
        {
            if (await cluster.ReadAsync<PodCheckpointContent>(ObjectKey.Of(content), cancellationToken) is { } there
                && isWanted(there))
            {
                return there;
            }
        }

        return null;
    }

    /// <summary>Also one that is deleted while its claim is there, or while somebody needs the
    /// bytes: it waits for that.</summary>
    private static bool IsToStay(PodCheckpointContent content, ICluster cluster) =>
        content.Metadata.DeletionTimestamp is null
        || (content.Spec.PodCheckpointRef is { Uid: { } uid } reference
            && cluster.Find<PodCheckpoint>(new ObjectKey(reference.NamespaceProperty, reference.Name)) is { } claim
            && claim.Metadata.Uid == uid && Binding.WhyHeld(cluster, claim) is not null);
}
