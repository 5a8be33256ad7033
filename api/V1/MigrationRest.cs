namespace PodCheckpointing.Api.V1;

/// <summary>Whether a migration that has not ended stands still all the same.</summary>
public static class MigrationRest
{
    /// <summary>Whether it is left for inspection, and nobody has asked for its way back yet:
    /// until then nothing happens.</summary>
    public static bool IsLeft(this PodMigration migration) =>
        migration is { Status.Outcome: Outcomes.Left, Metadata.DeletionTimestamp: null }
        && migration.Spec.Abort != true;
}
