using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What the operator remembers of migrations that have ended: their objects stay for people to read, and there may be
/// thousands of them.</summary>
internal static class EndedMigrations
{
    /// <summary>A migration as it is kept: of one that has ended, no steps, conditions and messages, for nobody here asks for
    /// them any more.</summary>
    public static PodMigration Kept(PodMigration migration) => migration.Status is { CompletionTime: not null } status
        ? migration with
        {
            Status = new PodMigrationStatus
            {
                Phase = status.Phase,
                Outcome = status.Outcome,
                SourceNode = status.SourceNode,
                TargetNode = status.TargetNode,
                PodUID = status.PodUID,
                CompletionTime = status.CompletionTime,
            },
        }
        : migration;
}
