using k8s;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Retention;

/// <summary>Deletes migrations that have ended, when their ttlSecondsAfterFinished are over, or what the
/// operator is told in place of it.</summary>
internal sealed class MigrationSweep(
    ICluster cluster,
    ILeadership leadership,
    IEnumerable<IInformer> informers,
    IOptions<OperatorOptions> options,
    TimeProvider time,
    ILogger<MigrationSweep> logger)
    : LeaderSweep(informers, leadership, Interval, time, logger)
{
    /// <summary>How late a deletion may be.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly int? _otherwise = options.Value.Migrations.TtlSecondsAfterFinished;

    /// <summary>What was logged of those that could not be deleted, by their uids.</summary>
    private readonly Dictionary<string, string> _told = [];

    /// <inheritdoc/>
    public override async Task SweepAsync(CancellationToken cancellationToken)
    {
        var due = cluster.All<PodMigration>().Where(IsDue).ToList();
        foreach (var gone in _told.Keys.Except(due.Select(m => m.Metadata.Uid!)).ToList())
        {
            _told.Remove(gone);
        }

        foreach (var seen in due)
        {
            try
            {
                await DeleteAsync(seen, cancellationToken);
            }
            catch (KubernetesException exception)
            {
                // Somebody's webhook, or none behind its Service: the others go. It is tried again, and
                // told again when it says something else.
                if (_told.GetValueOrDefault(seen.Metadata.Uid!) != exception.Message)
                {
                    _told[seen.Metadata.Uid!] = exception.Message;
                    ManagerLog.MigrationStays(Logger, $"{ObjectKey.Of(seen)}", exception.Message);
                }
            }
        }
    }

    private async Task DeleteAsync(PodMigration seen, CancellationToken cancellationToken)
    {
        // To delete one that is under way is to abort it: the view may lag behind, and a namesake be there by now.
        if (await cluster.ReadAsync<PodMigration>(ObjectKey.Of(seen), cancellationToken) is { } migration
            && migration.Metadata.Uid == seen.Metadata.Uid
            && IsDue(migration)
            && !await OwnsCheckpointAsync(migration, cancellationToken)
            && await cluster.DeleteVersionAsync(migration, cancellationToken))
        {
            ManagerLog.MigrationExpired(
                Logger,
                $"{ObjectKey.Of(migration)}",
                migration.Status!.Outcome,
                MigrationExpiry.Ttl(migration, _otherwise)!.Value);
        }
    }

    /// <summary>The garbage collector would take a checkpoint away with its owner. One that came late is
    /// the reconciler's to settle.</summary>
    private async Task<bool> OwnsCheckpointAsync(PodMigration migration, CancellationToken cancellationToken)
    {
        var key = new ObjectKey(migration.Metadata.NamespaceProperty, MigrationScope.CheckpointNameFor(migration));
        return await cluster
            .ReadAsync<PodCheckpoint>(key, cancellationToken) is { Metadata.DeletionTimestamp: null } checkpoint
            && checkpoint.IsControlledBy(migration);
    }

    private bool IsDue(PodMigration migration) =>
        MigrationExpiry.IsDue(migration, _otherwise, Time.GetUtcNow().UtcDateTime);
}
