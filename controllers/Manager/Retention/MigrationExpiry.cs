using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.Retention;

/// <summary>When a migration that has ended may go by itself; decides by what it is given only.</summary>
internal static class MigrationExpiry
{
    /// <summary>Whether its time is over, and nobody has to do anything about it any more.</summary>
    public static bool IsDue(PodMigration migration, DateTime now) =>
        migration is
        {
            Metadata.DeletionTimestamp: null,
            Spec.TtlSecondsAfterFinished: { } seconds,
            // Of a pod that is lost it is all that tells how to have it back.
            Status: { CompletionTime: { } ended, Outcome: not Outcomes.Lost } status,
        }
        && now - ended >= TimeSpan.FromSeconds(seconds)
        // The checkpoint is deleted, or given to nobody, before the finalizer goes.
        && !migration.Has(WellKnown.MigrationFinalizer)
        && !status.Conditions.IsTrue(ConditionTypes.Stalled);
}
