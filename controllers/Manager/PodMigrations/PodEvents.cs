using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What is told of the pods themselves, to those who describe a pod and know of no migration.</summary>
/// <remarks>One event on a migration that goes well: each is a write to the API server, and an event of the source's
/// beginning would be gone from sight with the source. The rest is told of the
/// PodMigration, condition by condition.</remarks>
internal sealed class PodEvents(MigrationObjects objects, IEventRecorder events)
{
    /// <summary>Called when the status is stored, and so once.</summary>
    public void Tell(MigrationScope scope, PodMigrationStatus? before)
    {
        var (migration, source) = (
            $"PodMigration {scope.Namespace}/{scope.Migration.Metadata.Name}",
            $"{scope.Migration.Spec.PodName} on {scope.Status.SourceNode}");
        if (IsNew(ConditionTypes.RestoreVerified) && objects.FindTarget(scope) is { } target)
        {
            var downtime =
                scope.Status.DowntimeMilliseconds is { } milliseconds ? $"; it stood still for {milliseconds} ms" : "";
            events.Record(
                target,
                "Normal",
                Outcomes.Restored,
                $"Restored from PodCheckpoint {scope.CheckpointName} of pod {source} by {migration}{downtime}");
        }

        if (IsNew(ConditionTypes.RolledBack) && scope.Condition(ConditionTypes.SourceFenced) is not null
            && objects.FindSource(scope) is { } stayed)
        {
            var became = scope.Status.Outcome switch
            {
                Outcomes.RolledBack => $"goes on here: {scope.Condition(ConditionTypes.RolledBack)!.Message}",
                _ => $"does not go on as it was: {scope.Status.Message}",
            };
            events.Record(
                stayed, "Warning", scope.Status.Outcome ?? Outcomes.RolledBack,
                $"Was to move to {scope.Status.TargetNode} by {migration}, and {became}");
        }

        bool IsNew(string condition) => scope.Is(condition) && before?.Conditions.IsTrue(condition) == false;
    }
}
