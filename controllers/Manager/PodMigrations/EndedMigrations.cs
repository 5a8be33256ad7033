using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What the operator's cache holds of migrations that have ended: their objects stay for people to read, and
/// there may be thousands of them.</summary>
/// <remarks>What is null here may stand at the API server: nobody writes the status of one that has ended, and whoever
/// needs more of it reads it there.</remarks>
internal static class EndedMigrations
{
    /// <summary>The informer's transform: of a migration that has ended, no steps, conditions and messages are
    /// kept.</summary>
    public static PodMigration Strip(PodMigration migration) => migration.Status is { CompletionTime: not null } status
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
