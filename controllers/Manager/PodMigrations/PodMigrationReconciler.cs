using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Moves a pod in two phases: until RestoreVerified is stored every failure leads back to the running source,
/// from then on only forward.</summary>
/// <remarks>
/// A step makes at most one change and returns whether the next may follow; conditions in the status say which are done.
/// Every change may be made twice: names follow from uids, the agents' calls are idempotent. That a migration goes back
/// is stored (RolledBack=False) before anything is undone, so that the next operator does not begin it again.
/// </remarks>
internal sealed partial class PodMigrationReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    PendingCalls calls,
    MigrationSlots slots,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    private const int DefaultTimeoutSeconds = 300;
    internal static readonly TimeSpan Resync = TimeSpan.FromSeconds(3);

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<PodMigration>(key) is not { } migration)
        {
            slots.Release(key);
            return ReconcileResult.Done;
        }

        var finished = migration.Status?.CompletionTime is not null;
        if (finished)
        {
            slots.Release(key);
        }

        if (finished || !migration.Has(WellKnown.MigrationFinalizer))
        {
            await SettleAsync(migration, finished, cancellationToken);
            return ReconcileResult.Done;
        }

        var scope = new MigrationScope(migration, () => queue.Add(key), Now);
        if (scope.Is(ConditionTypes.Validated))
        {
            slots.Keep(migration);
        }

        try
        {
            await AdvanceAsync(scope, cancellationToken);
        }
        catch (Exception exception) when (
            exception is TerminalException or AgentException { IsTerminal: true }
            && scope.Condition(ConditionTypes.RolledBack) is null && !scope.Is(ConditionTypes.RestoreVerified))
        {
            // What fails on the way back, or after the commit, is tried again: there is no other way any more.
            var reason = exception is TerminalException t ? t.Reason : ((AgentException)exception).Reason;
            Turn(scope, reason, exception.Message);
        }

        await cluster.PatchStatusAsync(migration, migration.Status, scope.Status, cancellationToken);
        events.RecordChanges(migration, migration.Status?.Conditions, scope.Status.Conditions);
        SettleSlot(scope, key);

        // Events drive a migration; a look every few seconds is the net below them, and sees the deadlines.
        return new ReconcileResult(scope.Status.CompletionTime is not null || scope.IsWaiting ? null : NextLook(scope));
    }

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    private DateTime Deadline(MigrationScope scope)
    {
        var end = (scope.Status.StartTime ?? Now).AddSeconds(scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds);
        return scope.Is(ConditionTypes.RestoreVerified) || scope.Condition(ConditionTypes.RolledBack) is not null
            ? end.AddDays(1)
            : end;
    }

    /// <summary>When the source must go on, lest kubelet kill it for not answering; null where nothing asks it, or it does
    /// not stand still, or the target has been let go.</summary>
    private DateTime? ThawBy(MigrationScope scope) =>
        scope.Condition(ConditionTypes.SourceFenced) is { Status: "True", LastTransitionTime: { } since }
        && !scope.HasBegun(Steps.Restore) && scope.Condition(ConditionTypes.RolledBack) is null
        && FindSource(scope) is { } source && Freeze.LongestOf(source) is { } longest
            ? since + longest
            : null;

    private TimeSpan NextLook(MigrationScope scope) =>
        ThawBy(scope) is { } end && end - Now < Resync ? TimeSpan.FromTicks(Math.Max(1, (end - Now).Ticks)) : Resync;

    /// <summary>Before the first and after the last step: the finalizer, and what the user wants kept.</summary>
    private async Task SettleAsync(PodMigration migration, bool finished, CancellationToken cancellationToken)
    {
        if (!finished)
        {
            if (migration.Metadata.DeletionTimestamp is null)
            {
                await cluster.SetFinalizersAsync(migration, migration.With(WellKnown.MigrationFinalizer), cancellationToken);
            }

            return;
        }

        calls.Forget($"pmig/{migration.Metadata.Uid}/");
        // As the server has it: it may have been created a moment before the end.
        var name = new ObjectKey(migration.Metadata.NamespaceProperty, MigrationScope.CheckpointNameFor(migration));
        if (migration.Has(WellKnown.MigrationFinalizer)
            && migration.Spec.CheckpointRetention != DeletionPolicies.Retain
            && await cluster.ReadAsync<PodCheckpoint>(name, cancellationToken) is { } checkpoint
            && checkpoint.IsControlledBy(migration)
            && checkpoint.Metadata.DeletionTimestamp is null)
        {
            await cluster.DeleteAsync(checkpoint, graceSeconds: null, cancellationToken);
        }

        if (migration.Has(WellKnown.MigrationFinalizer))
        {
            await cluster.SetFinalizersAsync(
                migration, migration.Without(WellKnown.MigrationFinalizer), CancellationToken.None);
        }
    }

    private async Task AdvanceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Condition(ConditionTypes.RolledBack) is { } turned)
        {
            await RollBackAsync(scope, turned, cancellationToken);
            return;
        }

        if (!scope.Is(ConditionTypes.RestoreVerified))
        {
            // Once the target may have run, going back would lose what it has done since: only a restore that fails leads
            // back from there.
            if ((scope.Migration.Spec.Abort == true || scope.Migration.Metadata.DeletionTimestamp is not null)
                && !scope.HasBegun(Steps.Restore))
            {
                throw new TerminalException(Reasons.Aborted, "the migration was asked to stop before the target was let go");
            }

            if (Now >= Deadline(scope))
            {
                throw new TerminalException(
                    Reasons.TimedOut, $"not restored within timeoutSeconds ({scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds})");
            }
        }

        if (ThawBy(scope) is { } end && Now >= end)
        {
            throw new TerminalException(
                Reasons.TimedOut,
                $"the pod stood still for {Freeze.LongestOf(FindSource(scope)!)!.Value.TotalSeconds:0} s, longer than its liveness probes allow: "
                + "raise failureThreshold or periodSeconds for the time of the migration");
        }

        Func<MigrationScope, CancellationToken, Task<bool>>[] steps =
            [ValidateAsync, ReceiveAsync, FenceAsync, CheckpointAsync, RestoreAsync, CommitAsync];
        foreach (var step in steps)
        {
            if (!await step(scope, cancellationToken))
            {
                return;
            }
        }
    }

    /// <summary>Turns back: only says so; the next run undoes.</summary>
    private static void Turn(MigrationScope scope, string reason, string message)
    {
        scope.StopWaiting();
        scope.Phase(MigrationPhases.Failed, message);
        scope.Set(ConditionTypes.Ready, false, reason, message);
        if (scope.Condition(ConditionTypes.RolledBack) is null)
        {
            scope.Set(ConditionTypes.RolledBack, false, reason, message);
        }
    }
}
