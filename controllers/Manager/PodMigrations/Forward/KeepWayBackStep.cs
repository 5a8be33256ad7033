using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Turns back where the target has ended for certain, or fails so soon that its restore was none: as long as
/// the source stands, that need not be the end of the pod.</summary>
/// <remarks>Changes nothing: it takes back what the status says, and the way back does the rest.</remarks>
internal sealed class KeepWayBackStep(
    MigrationObjects objects, MigrationNodes nodes, RestoredPod restored, IAgentDirectory agents, AgentCalls calls)
    : IMigrationStep
{
    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.HasBegun(Steps.EndSource)
            || nodes.IsLost(scope.Status.SourceNode!)
            || objects.FindSource(scope) is not { Metadata.DeletionTimestamp: null })
        {
            return true;
        }

        if (await restored.WhyGoneAsync(scope, cancellationToken) is { } gone)
        {
            TurnBack(scope, gone);
        }

        if (objects.FindTarget(scope) is not { } target)
        {
            return true;
        }

        if (WhyFailed(scope, target) is { } failed)
        {
            TurnBack(scope, failed);
        }

        return StillHasItsMemory(scope, target);
    }

    /// <exception cref="TerminalException">Always.</exception>
    private static void TurnBack(MigrationScope scope, Obstacle why)
    {
        scope.Set(ConditionTypes.RestoreVerified, false, why.Reason, why.Message);
        scope.Status = scope.Status with { DowntimeMilliseconds = null, PodAccessible = false };
        throw new TerminalException(why.Reason, why.Message);
    }

    /// <summary>Asks the target's agent about a container that has begun again: after its own end that is the
    /// application's doing; after a reboot of its node the restored memory is nowhere but at the source.</summary>
    /// <returns>False while it is being asked.</returns>
    private bool StillHasItsMemory(MigrationScope scope, V1Pod target)
    {
        var restarts = target.LivingStatuses().Sum(s => s.RestartCount);
        if (restarts == 0)
        {
            return true;
        }

        var question = RestoreQuestion.Now(target, target.LivingContainers().Select(c => c.Name));
        var restore = calls.Ask(
            scope, CallNames.StillRestored(restarts), scope.Status.TargetNode!,
            (agent, t) => agent.GetRestoreAsync(question, t));
        if (restore?.Containers.FirstOrDefault(c => c.Phase == RestorePhases.Failed) is { } lost)
        {
            TurnBack(scope, new(
                Reasons.RestoreFailed, $"container {lost.ContainerName} was restored, and lost: {lost.Message}"));
        }

        return restore is not null;
    }

    private Obstacle? WhyFailed(MigrationScope scope, V1Pod target) =>
        scope.Condition(ConditionTypes.RestoreVerified)?.LastTransitionTime is { } verified
            ? Verification.AfterVerified(
                target, verified + (agents.Find(scope.Status.TargetNode!)?.ClockOffset ?? TimeSpan.Zero))
            : null;
}
