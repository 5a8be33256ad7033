using System.Collections.Concurrent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What is to be told about migrations, and may wait for what follows: of steps that take a moment each, one
/// write tells several.</summary>
/// <remarks>Nothing depends on it: what is held here is found again by another life of the operator. A person who looks
/// sees it after <see cref="Patience"/> at the latest.</remarks>
internal sealed class StatusDrafts(TimeProvider time)
{
    /// <summary>How long it may wait: less than anybody would notice.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<ObjectKey, Draft> _drafts = new();

    /// <summary>What has been held of this version of a migration, if anything.</summary>
    public Draft? Of(PodMigration migration) =>
        _drafts.TryGetValue(ObjectKey.Of(migration), out var draft)
        && draft.Uid == migration.Metadata.Uid && draft.Version == migration.Metadata.ResourceVersion
            ? draft
            : null;

    /// <summary>Holds a status back.</summary>
    /// <returns>For how long; null when it is to be told now.</returns>
    public TimeSpan? Hold(PodMigration migration, PodMigrationStatus status)
    {
        var since = Of(migration)?.Since ?? time.GetTimestamp();
        var left = Patience - time.GetElapsedTime(since);
        if (left <= TimeSpan.Zero)
        {
            return null;
        }

        _drafts[ObjectKey.Of(migration)] = new Draft(
            migration.Metadata.Uid!, migration.Metadata.ResourceVersion, status, since);
        return left;
    }

    /// <summary>It is told now, or nobody is left to be told of.</summary>
    public void Drop(ObjectKey key) => _drafts.TryRemove(key, out _);

    internal sealed record Draft(string Uid, string? Version, PodMigrationStatus Status, long Since);
}
