using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Before each run forward: stops a migration that has come to a limit and whose target has not run. One that
/// runs goes on, lest what it has done since be lost.</summary>
/// <remarks>Has the target's node withdraw the target, which that decides once and for all:
/// asked again, it says the same.</remarks>
internal sealed class StopStep(MigrationLimits limits, MigrationNodes nodes, AgentCalls calls) : IMigrationStep
{
    public Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.RestoreVerified) || limits.WhyStop(scope) is not { } why)
        {
            return Task.FromResult(true);
        }

        if (!scope.HasBegun(Steps.Restore))
        {
            throw Stopped(why);
        }

        return Task.FromResult(WithdrawTarget(scope, why));
    }

    /// <returns>Whether the migration goes on; false while the target's node is being asked.</returns>
    /// <exception cref="TerminalException">The target has not run, and never will: it stops.</exception>
    private bool WithdrawTarget(MigrationScope scope, Obstacle why)
    {
        if (nodes.IsLost(scope.Status.TargetNode!))
        {
            return true;
        }

        var request =
            new CancelRestoreRequest
            {
                PodUid = scope.Status.RestoredPodUID,
                Reason = why.Message,
                UnlessRun = true,
            };
        if (calls.Ask(
            scope, CallNames.Withdraw, scope.Status.TargetNode!,
            (agent, t) => agent.CancelRestoreAsync(request, t)) is not { } answer)
        {
            return false;
        }

        if (answer.HasRun)
        {
            MigrationLimits.TellTooLate(scope);
            return true;
        }

        scope.NoteNeverRan();
        throw Stopped(why);
    }

    private static TerminalException Stopped(Obstacle why) => new(why.Reason, why.Message);
}
