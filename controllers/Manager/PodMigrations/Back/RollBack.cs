using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>The way back: the target gone for certain, then the source goes on.</summary>
/// <remarks>Its parts may each be done again; it says that it has ended when all of them have.</remarks>
internal sealed class RollBack(
    MigrationObjects objects, TargetRemoval removal, SourceResumption resumption, AddressRelease address,
    TimeProvider time)
{
    public async Task RunAsync(MigrationScope scope, V1Condition rolledBack, CancellationToken cancellationToken)
    {
        if (!scope.Is(ConditionTypes.Validated))
        {
            var untouched = scope.Migration.Spec.DryRun == true ? Outcomes.WouldFail : null;
            End(scope, rolledBack, "", untouched, isAccessible: null);
            return;
        }

        // What an operator asked for that died, or was refused, before it said so stands among the objects, but not to
        // the end: deleting the migration in the foreground takes it along.
        if (objects.FindCheckpoint(scope) is not null)
        {
            scope.Begin(Steps.Checkpoint);
        }

        if (!await UndoAsync(scope, rolledBack.Message, cancellationToken))
        {
            return;
        }

        // By the same word by which it was let go on, or was not.
        var lost = scope.IsSourceLost;
        var ended = resumption.EndedMeanwhile(scope);
        if (ended.Count == 0 && !lost && SourceRuns(scope))
        {
            End(scope, rolledBack, "", Outcomes.RolledBack, isAccessible: true);
            return;
        }

        var stopped = scope.HasBegun(Steps.Checkpoint);
        // A source that another migration has is that one's to tell of.
        var outcome = scope.BelongsToAnother ? null : stopped ? Outcomes.Lost : Outcomes.SourceGone;
        End(scope, rolledBack, WhatIsLeft(scope, ended, stopped, lost), outcome, isAccessible: false);
    }

    private void End(MigrationScope scope, V1Condition rolledBack, string addition, string? outcome, bool? isAccessible)
    {
        scope.Set(ConditionTypes.RolledBack, true, rolledBack.Reason, rolledBack.Message);
        scope.Phase(MigrationPhases.Failed, rolledBack.Message + addition);
        scope.Status = scope.Status with
        {
            StartTime = scope.Status.StartTime ?? scope.FirstBegun ?? time.GetUtcNow().UtcDateTime,
            Outcome = outcome,
            PodAccessible = isAccessible,
            CompletionTime = time.GetUtcNow().UtcDateTime,
        };
    }

    private bool SourceRuns(MigrationScope scope) =>
        objects.FindSource(scope) is { Metadata.DeletionTimestamp: null, Status.Phase: "Running" };

    /// <returns>Whether all is undone.</returns>
    private async Task<bool> UndoAsync(MigrationScope scope, string why, CancellationToken cancellationToken)
    {
        var removed = await removal.RemoveAsync(scope, why, cancellationToken);
        // A target that never ran stands still whatever it has: the source need not wait for its end.
        if (!removed && scope.TargetMayRun)
        {
            return false;
        }

        var resumed = await resumption.ResumeAsync(scope, cancellationToken);
        return removed && resumed && await address.LetGoAsync(scope, cancellationToken);
    }

    private static string WhatIsLeft(MigrationScope scope, IReadOnlyList<string> ended, bool stopped, bool lost)
    {
        var gone = lost ? $"the source is gone with node {scope.Status.SourceNode}"
            : ended.Count > 0 ? $"container {string.Join(", ", ended)} of the source ended while it stood still, "
                + "and starts again without its memory"
            : stopped ? "the source is gone too"
            : "the source is gone";
        var kept = !stopped ? ", and nothing of it had been stopped"
            : scope.Is(ConditionTypes.Checkpointed) ? $", but {CheckpointSettlement.WhatIsKept(scope)}"
            : "";
        return $"; {gone}{kept}";
    }
}
