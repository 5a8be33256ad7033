using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What ends a migration from outside: the user, its own deadline, and the source's probes.</summary>
internal sealed class MigrationLimits(MigrationObjects objects, SilentAgents silentAgents, TimeProvider time)
{
    private const int DefaultTimeoutSeconds = 300;

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    public static DateTime? Deadline(MigrationScope scope) =>
        scope.Status.StartTime?.AddSeconds(scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds);

    /// <summary>When the way back must begin, lest kubelet kill the source for not answering before it goes on; null
    /// where nothing asks it, or it does not stand still.</summary>
    private static DateTime? ThawBy(MigrationScope scope) =>
        scope.Condition(ConditionTypes.SourceFenced) is { Status: "True", LastTransitionTime: { } since }
            && scope.Status.MaxFreezeSeconds is { } longest
            ? since + Freeze.Usable(TimeSpan.FromSeconds(longest))
            : null;

    /// <summary>When somebody must look, whatever else happens: at the nearest limit, while there is one.</summary>
    public TimeSpan NextLook(MigrationScope scope) =>
        scope.Is(ConditionTypes.RestoreVerified) || scope.Condition(ConditionTypes.RolledBack) is not null
            ? PodMigrationReconciler.Resync
            : new[] { Deadline(scope), ThawBy(scope) }
                .Select(limit => limit is { } end && end > Now ? end - Now : PodMigrationReconciler.Resync)
                .Append(PodMigrationReconciler.Resync)
                .Min();

    /// <summary>Whether the user asks for its end.</summary>
    public static bool IsToStop(MigrationScope scope) =>
        scope.Migration.Spec.Abort == true || scope.Migration.Metadata.DeletionTimestamp is not null;

    /// <summary>Says so where the user asks to stop what cannot be stopped any more.</summary>
    public static void TellTooLate(MigrationScope scope)
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

    /// <summary>Why it must not go on; null where it may.</summary>
    public Obstacle? WhyStop(MigrationScope scope)
    {
        if (IsToStop(scope))
        {
            return new(Reasons.Aborted, "the migration was asked to stop before the target ran");
        }

        if (ThawBy(scope) is { } thaw && Now >= thaw)
        {
            return new(
                Reasons.TimedOut,
                "the pod stood still for "
                + $"{(Now - scope.Condition(ConditionTypes.SourceFenced)!.LastTransitionTime)!.Value.TotalSeconds:0.0} s, and its liveness probes allow "
                + $"{scope.Status.MaxFreezeSeconds} s, the way back included: raise failureThreshold or periodSeconds"
                + (objects.FindSource(scope) is { } source
                    && Freeze.StrictestProbeOf(source) is { } strictest ? $" of the {strictest.Probe}" : ""));
        }

        return Deadline(scope) is { } end && Now >= end
            ? new(
                Reasons.TimedOut,
                $"not restored within timeoutSeconds ({scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds})"
                + string.Concat(silentAgents.Of(scope.Uid).Select(silent => $"; {silent.Why.Message}"))
                + (!scope.Is(ConditionTypes.TargetPrepared)
                    && objects.FindTarget(scope) is { } target ? MigrationValidation.WhatIsAwaited(target) : ""))
            : null;
    }
}
