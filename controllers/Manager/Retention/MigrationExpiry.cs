using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Retention;

/// <summary>When a migration that has ended may go by itself; decides by what it is given only.</summary>
internal static class MigrationExpiry
{
    /// <summary>Whether its time is over, and nobody has to do anything about it any more.</summary>
    /// <param name="migration">The migration.</param>
    /// <param name="otherwise">After how many seconds one goes that says nothing itself; null: never.</param>
    /// <param name="now">The time.</param>
    public static bool IsDue(PodMigration migration, int? otherwise, DateTime now) =>
        migration is
        {
            Metadata.DeletionTimestamp: null,
            // Of a pod that is lost it is all that tells how to have it back.
            Status: { CompletionTime: { } ended, Outcome: not Outcomes.Lost } status,
        }
        && Ttl(migration, otherwise) is { } seconds
        && now - ended >= TimeSpan.FromSeconds(seconds)
        // The checkpoint is deleted, or given to nobody, before the finalizer goes.
        && !migration.HasFinalizer(WellKnown.MigrationFinalizer)
        && !status.Conditions.IsTrue(ConditionTypes.Stalled);

    /// <summary>After how many seconds it goes; null: never.</summary>
    public static int? Ttl(PodMigration migration, int? otherwise) =>
        migration.Spec.TtlSecondsAfterFinished ?? otherwise;
}
