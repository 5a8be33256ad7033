using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Says how the migration has ended: the pod goes on at its target, or is lost.</summary>
/// <remarks>Changes nothing but the status.</remarks>
internal sealed class CompleteStep(RestoredPod restored, TimeProvider time) : IMigrationStep
{
    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (await restored.WhyGoneAsync(scope, cancellationToken) is { } why)
        {
            var message = $"{why.Message}, and the source is gone; {CheckpointSettlement.WhatIsKept(scope)}";
            scope.Phase(MigrationPhases.Failed, message);
            scope.Set(ConditionTypes.Ready, false, why.Reason, message);
            scope.Status = scope.Status with
            {
                Outcome = Outcomes.Lost,
                PodAccessible = false,
                CompletionTime = time.GetUtcNow().UtcDateTime,
            };
            return true;
        }

        var late = scope.Condition(ConditionTypes.ServiceSwitched) is { Status: "False" } not
            ? $"; but {not.Message}"
            : "";
        scope.Phase(
            MigrationPhases.Completed,
            $"pod {scope.Status.RestoredPodName} goes on at {scope.Status.TargetNode}{late}");
        scope.Set(ConditionTypes.Ready, true, Reasons.Succeeded, scope.Status.Message!);
        scope.Status = scope.Status with { Outcome = Outcomes.Restored, CompletionTime = time.GetUtcNow().UtcDateTime };
        return true;
    }
}
