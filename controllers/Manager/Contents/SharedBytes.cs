using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>Bytes that several contents name: they go with the last of them.</summary>
internal sealed class SharedBytes(ICluster cluster, ContentRelease release, TimeProvider time)
{
    /// <summary>All contents of pods, as the server has them: a volume that refuses for an hour is no reason to have it
    /// list them for each content at each attempt, and what is imported in that hour keeps its bytes.</summary>
    private readonly RecentAnswer<IReadOnlyList<PodCheckpointContent>> _contents =
        new(cluster.ListAsync<PodCheckpointContent>, time);

    /// <summary>Another content of the same bytes that is there to stay; null where there is none.</summary>
    /// <remarks>Who saw that this content is being deleted has seen all that were made before, for both are told by one
    /// watch; of those that are made while it waits, perhaps for an hour, the server tells.</remarks>
    public async Task<PodCheckpointContent?> OtherOfAsync(
        PodCheckpointContent content, CancellationToken cancellationToken)
    {
        bool Stays(PodCheckpointContent other) =>
            Indexes.CheckpointKey(other.Spec.Source) == Indexes.CheckpointKey(content.Spec.Source)
            && other.Metadata.Uid != content.Metadata.Uid && IsToStay(other);
        return cluster.ByIndex(Indexes.PodContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source))
            .FirstOrDefault(Stays)
            ?? (release.IsUnderWay(content) ? null
                : await FirstThereAsync(
                    await _contents.RecentAsync(cancellationToken), Stays, cancellationToken));
    }

    /// <summary>The PodCheckpointContent for whose sake a container's bytes stay: one of another claim; or the owner's
    /// own, when the owner is gone or being deleted and its content will remove all bytes at once.</summary>
    /// <param name="content">The container's content.</param>
    /// <param name="claim">Its claim, where that is there still.</param>
    /// <param name="cancellationToken">Ends the wait for the server.</param>
    public async Task<PodCheckpointContent?> KeeperOfAsync(
        ContainerCheckpointContent content, ContainerCheckpoint? claim, CancellationToken cancellationToken)
    {
        var owner = claim is null ? null : Owners.OwnerOf(claim, cluster);
        bool Keeps(PodCheckpointContent other) =>
            Indexes.CheckpointKey(other.Spec.Source) == Indexes.CheckpointKey(content.Spec.Source)
            && IsToStay(other)
            && (owner is null or { Metadata.DeletionTimestamp: not null }
                || other.Spec.PodCheckpointRef.Uid != owner.Metadata.Uid);
        var seen = cluster.ByIndex(Indexes.PodContentsByCheckpoint, Indexes.CheckpointKey(content.Spec.Source))
            .ToList();
        // Two kinds are told by two watches, and one of them may lag behind: bytes do not come back.
        return await FirstThereAsync(seen, Keeps, cancellationToken)
            // Where the removal has begun, the server has said before that there is none.
            ?? await FirstThereAsync(
                release.HasBegun(content)
                    ? await _contents.RecentAsync(cancellationToken)
                    : await _contents.AskAsync(cancellationToken),
                Keeps,
                cancellationToken);
    }

    /// <summary>The first of some contents that is as it should be now, too.</summary>
    private async Task<PodCheckpointContent?> FirstThereAsync(
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
    private bool IsToStay(PodCheckpointContent content) =>
        content.Metadata.DeletionTimestamp is null
        || (content.Spec.PodCheckpointRef is { Uid: { } uid } reference
            && cluster.Find<PodCheckpoint>(new ObjectKey(reference.NamespaceProperty, reference.Name)) is { } claim
            && claim.Metadata.Uid == uid && Binding.WhyHeld(cluster, claim) is not null);
}
