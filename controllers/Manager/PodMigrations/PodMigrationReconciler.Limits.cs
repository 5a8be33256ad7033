using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>What ends a migration from outside: the user, its own deadline, and the source's probes.</content>
internal sealed partial class PodMigrationReconciler
{
    private const int DefaultTimeoutSeconds = 300;

    private static DateTime? Deadline(MigrationScope scope) =>
        scope.Status.StartTime?.AddSeconds(scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds);

    /// <summary>When the way back must begin, lest kubelet kill the source for not answering before it goes on; null where
    /// nothing asks it, or it does not stand still.</summary>
    private static DateTime? ThawBy(MigrationScope scope) =>
        scope.Condition(ConditionTypes.SourceFenced) is { Status: "True", LastTransitionTime: { } since } && scope.Status.MaxFreezeSeconds is { } longest
            ? since + Freeze.Usable(TimeSpan.FromSeconds(longest))
            : null;

    /// <summary>When somebody must look, whatever else happens: at the nearest limit, while there is one.</summary>
    private TimeSpan NextLook(MigrationScope scope) =>
        scope.Is(ConditionTypes.RestoreVerified) || scope.Condition(ConditionTypes.RolledBack) is not null
            ? Resync
            : new[] { Deadline(scope), ThawBy(scope) }
                .Select(limit => limit is { } end && end > Now ? end - Now : Resync).Append(Resync).Min();

    private static bool IsToStop(MigrationScope scope) =>
        scope.Migration.Spec.Abort == true || scope.Migration.Metadata.DeletionTimestamp is not null;

    /// <summary>Says so where the user asks to stop what cannot be stopped any more.</summary>
    private static void TellTooLate(MigrationScope scope)
    {
        if (IsToStop(scope) && scope.Condition(ConditionTypes.Aborted) is null)
        {
            scope.Set(
                ConditionTypes.Aborted, false, Reasons.AbortTooLate,
                scope.HasBegun(Steps.ColdStart)
                    ? "the abort came too late: a fresh pod takes the source's place; the migration goes on to its end"
                    : "the abort came too late: the target's processes ran already; the migration goes on to its end");
        }
    }

    private (string Reason, string Message)? WhyStop(MigrationScope scope)
    {
        if (IsToStop(scope))
        {
            return (Reasons.Aborted, "the migration was asked to stop before the target ran");
        }

        if (ThawBy(scope) is { } thaw && Now >= thaw)
        {
            return (
                Reasons.TimedOut,
                $"the pod stood still for {(Now - scope.Condition(ConditionTypes.SourceFenced)!.LastTransitionTime)!.Value.TotalSeconds:0.0} s, and its liveness probes allow "
                + $"{scope.Status.MaxFreezeSeconds} s, the way back included: raise failureThreshold or periodSeconds"
                + (FindSource(scope) is { } source && Freeze.TightestOf(source) is { } tightest ? $" of the {tightest.Probe}" : ""));
        }

        return Deadline(scope) is { } end && Now >= end
            ? (Reasons.TimedOut, $"not restored within timeoutSeconds ({scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds})"
                + string.Concat(_silent.Of(scope.Uid).Select(silent => $"; {silent.Message}"))
                + (!scope.Is(ConditionTypes.TargetPrepared) && FindTarget(scope) is { } target ? MigrationValidation.WhatIsAwaited(target) : ""))
            : null;
    }

    /// <summary>Stops a migration whose target has not run; one that runs goes on, lest what it has done since be lost.</summary>
    /// <returns>Whether the migration goes on; false while the target's node is being asked.</returns>
    /// <exception cref="TerminalException">It stops.</exception>
    private bool StopIfInTime(MigrationScope scope, (string Reason, string Message) why)
    {
        if (scope.HasBegun(Steps.Restore))
        {
            if (IsLost(scope.Status.TargetNode!))
            {
                return true;
            }

            var request = new CancelRestoreRequest { PodUid = scope.Status.RestoredPodUID, Reason = why.Message, UnlessRun = true };
            switch (Ask(scope, "withdraw", scope.Status.TargetNode!, (agent, t) => agent.CancelRestoreAsync(request, t)))
            {
                case null:
                    return false;
                case { HasRun: true }:
                    TellTooLate(scope);
                    return true;
            }

            scope.NoteNeverRan();
        }

        throw new TerminalException(why.Reason, why.Message);
    }
}
