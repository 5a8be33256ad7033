using System.Runtime.ExceptionServices;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Moves a pod in two phases: until the target's processes run every failure, timeout and abort leads back to
/// the source. From then on it goes forward, unless the target has ended for certain
/// while the source still stands.</summary>
/// <remarks>
/// The steps and their order are the <see cref="MigrationPlan"/>'s. Each makes at most one change and returns whether
/// the next may follow; conditions in the status say which are done. Every change may be made twice: names follow from
/// uids, the agents' calls are idempotent. That a migration goes back is stored (RolledBack=False) before anything is
/// undone, so that the next operator does not begin it again. Whether the target runs is decided once, at its node,
/// between the release and whoever withdraws it.
/// </remarks>
internal sealed class PodMigrationReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    LostNodes lostNodes,
    PendingCalls calls,
    MigrationSlots slots,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    internal static readonly TimeSpan Resync = TimeSpan.FromSeconds(3);

    private readonly StatusDrafts _drafts = new(time);
    private readonly MigrationPlan _plan = new(cluster, agents, lostNodes, calls, slots, queue, time);
    private readonly PodEvents _podEvents = new(new MigrationObjects(cluster), events);

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<PodMigration>(key) is not { } migration)
        {
            _drafts.Drop(key);
            slots.Release(key);
            return ReconcileResult.Done;
        }

        var finished = migration.Status?.CompletionTime is not null;
        if (finished)
        {
            slots.Release(key);
        }

        if (finished || !MayAct(migration))
        {
            await SettleAsync(migration, finished, cancellationToken);
            return ReconcileResult.Done;
        }

        var scope = new MigrationScope(
            migration, _drafts.Of(migration)?.Status, () => queue.Add(key), time.GetUtcNow().UtcDateTime);
        if (scope.Is(ConditionTypes.Validated) && scope.Status.Outcome is null)
        {
            slots.Keep(migration);
        }

        var failure = await AdvanceAndCatchAsync(scope, cancellationToken);
        MigrationStalls.Tell(scope);
        if (failure is null
            && scope is { StatusMayBeDelayed: true, Stall: null }
            && _drafts.Hold(migration, scope.Status) is { } patience)
        {
            return new ReconcileResult(patience);
        }

        await StoreAsync(scope, key, cancellationToken);
        SettleSlot(scope, key);
        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }

        return new ReconcileResult(RequeueAfter(scope));
    }

    /// <summary>Nothing is begun without our finalizer. What was begun is undone also where somebody has taken it off one
    /// that is being deleted and that others hold, for it cannot be put on again.</summary>
    private static bool MayAct(PodMigration migration) =>
        migration.HasFinalizer(WellKnown.MigrationFinalizer)
        || migration is { Metadata.DeletionTimestamp: not null, Status: not null };

    /// <summary>Goes on, or says why it goes back from here on.</summary>
    /// <returns>What is to be tried again: what may pass, and all that fails on the way back or after the commit, for
    /// which there is no other way.</returns>
    private async Task<Exception?> AdvanceAndCatchAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        try
        {
            await AdvanceAsync(scope, cancellationToken);
        }
        catch (Exception exception) when (ReasonToRollBack(scope, exception) is { } why)
        {
            scope.TurnBack(why, exception.Message);
        }
        catch (Exception exception) when (exception is AgentException or KubernetesException)
        {
            scope.Stall ??= MigrationStalls.Why(scope, exception);
            return exception;
        }

        return null;
    }

    private async Task StoreAsync(MigrationScope scope, ObjectKey key, CancellationToken cancellationToken)
    {
        var migration = scope.Migration;
        _drafts.Drop(key);
        scope.Status = scope.Status with { ObservedGeneration = migration.Metadata.Generation };
        await cluster.PatchStatusAsync(migration, migration.Status, scope.Status, cancellationToken);
        events.RecordChanges(migration, migration.Status?.Conditions, scope.Status.Conditions);
        _podEvents.Tell(scope, migration.Status);
    }

    /// <summary>Events drive a migration; a look every few seconds is the net below them, and sees the deadlines. Null
    /// where neither is needed.</summary>
    private TimeSpan? RequeueAfter(MigrationScope scope)
    {
        var rests = scope.Status.CompletionTime is not null || scope.IsWaiting
            || (scope.Migration with { Status = scope.Status }).IsLeft();
        return rests ? null : _plan.Limits.NextLook(scope);
    }

    /// <summary>The reason for which a failure ends the way forward; null where it does not.</summary>
    private static string? ReasonToRollBack(MigrationScope scope, Exception exception) =>
        scope.Condition(ConditionTypes.RolledBack) is not null ? null
        : exception is not TerminalException && scope.Is(ConditionTypes.RestoreVerified) ? null
        : Failures.TerminalReasonOf(exception);

    /// <summary>Before the first and after the last step: the finalizer, and what the user wants kept.</summary>
    private async Task SettleAsync(PodMigration migration, bool finished, CancellationToken cancellationToken)
    {
        if (!finished)
        {
            if (migration.Metadata.DeletionTimestamp is null)
            {
                await cluster.AddFinalizerAsync(migration, WellKnown.MigrationFinalizer, cancellationToken);
            }

            return;
        }

        await _plan.SettleAsync(migration, cancellationToken);
        if (migration.HasFinalizer(WellKnown.MigrationFinalizer))
        {
            await cluster.RemoveFinalizerAsync(migration, WellKnown.MigrationFinalizer, CancellationToken.None);
        }
    }

    private Task AdvanceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.RestoreVerified) || scope.HasBegun(Steps.ColdStart))
        {
            MigrationLimits.TellTooLate(scope);
        }

        return scope.Condition(ConditionTypes.RolledBack) is { } rolledBack
            ? _plan.WayBack.RunAsync(scope, rolledBack, cancellationToken)
            : GoForwardAsync(scope, cancellationToken);
    }

    private async Task GoForwardAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        foreach (var step in _plan.StepsOf(scope))
        {
            if (!await step.RunAsync(scope, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>After a run whose status is stored.</summary>
    private void SettleSlot(MigrationScope scope, ObjectKey key)
    {
        // What is left for inspection does nothing, perhaps for days.
        if (scope.Status.CompletionTime is not null
            || scope.RolledBackBeforeValidated
            || scope.Status.Outcome == Outcomes.Left)
        {
            slots.Release(key);
        }
    }
}
