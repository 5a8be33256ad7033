using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Turns back where the target has ended for certain, or fails so soon that its restore was none: as long as the source stands,
/// that need not be the end of the pod.</summary>
/// <remarks>Changes nothing: it takes back what the status says, and the way back does the rest.</remarks>
internal sealed class KeepWayBackStep(MigrationObjects objects, MigrationNodes nodes, RestoredPod restored, IAgentDirectory agents) : IMigrationStep
{
    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (objects.FindSource(scope) is { Metadata.DeletionTimestamp: null } && !nodes.IsLost(scope.Status.SourceNode!) && !scope.HasBegun(Steps.EndSource)
            && (await restored.WhyGoneAsync(scope, cancellationToken) ?? WhyFailed(scope)) is { } why)
        {
            scope.Set(ConditionTypes.RestoreVerified, false, why.Reason, why.Message);
            scope.Status = scope.Status with { DowntimeMilliseconds = null, PodAccessible = false };
            throw new TerminalException(why.Reason, why.Message);
        }

        return true;
    }

    private Obstacle? WhyFailed(MigrationScope scope) =>
        objects.FindTarget(scope) is { } target && scope.Condition(ConditionTypes.RestoreVerified)?.LastTransitionTime is { } verified
            ? Verification.AfterVerified(target, verified + (agents.Find(scope.Status.TargetNode!)?.ClockOffset ?? TimeSpan.Zero))
            : null;
}
