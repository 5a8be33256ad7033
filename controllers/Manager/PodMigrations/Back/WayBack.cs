using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>What a failure leads to: the rollback, unless the user has asked for
/// something else that can be done.</summary>
/// <remarks>Which of them is decided anew in each run, by what is stored; what has begun is gone on with.</remarks>
internal sealed class WayBack(MigrationObjects objects, MigrationNodes nodes, RollBack rollBack, ColdStart coldStart)
{
    /// <summary>One run on the way back.</summary>
    /// <param name="scope">The run.</param>
    /// <param name="rolledBack">The condition RolledBack, which says why it goes back.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task RunAsync(MigrationScope scope, V1Condition rolledBack, CancellationToken cancellationToken)
    {
        if (!await FallBackAsync(scope, rolledBack, cancellationToken))
        {
            // As it stands now: that there is no cold start may have been added.
            await rollBack.RunAsync(scope, scope.Condition(ConditionTypes.RolledBack)!, cancellationToken);
        }
    }

    /// <returns>Whether something else than the rollback is done.</returns>
    private async Task<bool> FallBackAsync(
        MigrationScope scope, V1Condition rolledBack, CancellationToken cancellationToken)
    {
        if (scope.HasBegun(Steps.ColdStart))
        {
            await coldStart.RunAsync(scope, rolledBack, cancellationToken);
            return true;
        }

        if (rolledBack.Reason == Reasons.Aborted
            || MigrationLimits.IsToStop(scope)
            || !scope.Is(ConditionTypes.Validated))
        {
            return false;
        }

        switch (scope.Migration.Spec.OnFailure)
        {
            case OnFailurePolicies.Leave:
                Leave(scope, rolledBack);
                return true;
            // A source that was never stopped has lost nothing, and a target that cannot have it gets no second chance.
            // And one that goes on already has work that nobody may take away: a step,
            // for what is asked of nodes changes.
            case OnFailurePolicies.ColdStart when scope.Is(ConditionTypes.SourceFenced) && !scope.HasBegun(Steps.Resume)
                && !nodes.IsLost(scope.Status.TargetNode!) && !nodes.IsSilent(scope.Status.TargetNode!)
                && objects.FindSource(scope) is { Metadata.DeletionTimestamp: null } source:
                return await coldStart.BeginAsync(scope, rolledBack, source, cancellationToken);
            default:
                return false;
        }
    }

    private static void Leave(MigrationScope scope, V1Condition rolledBack)
    {
        var source = scope.Is(ConditionTypes.SourceFenced)
            ? $"the source is fenced at {scope.Status.SourceNode}"
            : $"the source runs at {scope.Status.SourceNode}";
        scope.Phase(
            MigrationPhases.Failed,
            $"{rolledBack.Message}; left as it stands: {source}, the target is pod {scope.Status.RestoredPodName}. "
            + "Set spec.abort, or delete this PodMigration, and it is rolled back");
        scope.Status = scope.Status with
        {
            Outcome = Outcomes.Left,
            PodAccessible = scope.TargetMayRun ? null : !scope.Is(ConditionTypes.SourceFenced),
        };
    }
}
