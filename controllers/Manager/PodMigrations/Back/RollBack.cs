using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>The way back: the target gone for certain, then the source goes on.</summary>
/// <remarks>Its parts may each be done again; it says that it has ended when all of them have.</remarks>
internal sealed class RollBack(
    MigrationObjects objects, MigrationNodes nodes, TargetRemoval removal, SourceResumption resumption, AddressRelease address, TimeProvider time)
{
    public async Task RunAsync(MigrationScope scope, V1Condition turned, CancellationToken cancellationToken)
    {
        var touched = scope.Is(ConditionTypes.Validated);
        if (touched && !await UndoAsync(scope, turned.Message, cancellationToken))
        {
            return;
        }

        var ended = touched ? resumption.EndedMeanwhile(scope) : [];
        // What an operator asked for that died before it said so stands among the objects.
        var stopped = scope.HasBegun(Steps.Checkpoint) || objects.FindCheckpoint(scope) is not null;
        var goesOn = touched && ended.Count == 0 && objects.FindSource(scope) is { Metadata.DeletionTimestamp: null, Status.Phase: "Running" }
            && !nodes.IsLost(scope.Status.SourceNode!);
        scope.Set(ConditionTypes.RolledBack, true, turned.Reason, turned.Message);
        scope.Phase(MigrationPhases.Failed, turned.Message + (goesOn || !touched ? "" : WhatIsLeft(scope, ended, stopped)));
        scope.Status = scope.Status with
        {
            StartTime = scope.Status.StartTime ?? scope.FirstBegun ?? time.GetUtcNow().UtcDateTime,
            Outcome = goesOn ? Outcomes.RolledBack
                : touched && !scope.BelongsToAnother ? (stopped ? Outcomes.Lost : Outcomes.SourceGone)
                : scope.Migration.Spec.DryRun == true ? Outcomes.WouldFail : null,
            PodAccessible = touched ? goesOn : null,
            CompletionTime = time.GetUtcNow().UtcDateTime,
        };
    }

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
        return removed && resumed && address.LetGo(scope);
    }

    private string WhatIsLeft(MigrationScope scope, IReadOnlyList<string> ended, bool stopped)
    {
        var source = scope.Status.SourceNode!;
        var gone = nodes.IsLost(source) ? $"the source is gone with node {source}"
            : ended.Count > 0 ? $"container {string.Join(", ", ended)} of the source ended while it stood still, and starts again without its memory"
            : $"the source is gone{(stopped ? " too" : "")}";
        return !stopped ? $"; {gone}, and nothing of it had been stopped" : scope.Is(ConditionTypes.Checkpointed)
            ? $"; {gone}, but {CheckpointSettlement.WhatIsKept(scope)}"
            : $"; {gone}";
    }
}
