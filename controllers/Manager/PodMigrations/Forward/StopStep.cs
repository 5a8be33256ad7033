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
    public Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken) => Task.FromResult(
        scope.Is(ConditionTypes.RestoreVerified) || limits.WhyStop(scope) is not { } why || StopIfInTime(scope, why));

    /// <exception cref="TerminalException">It stops.</exception>
    private bool StopIfInTime(MigrationScope scope, Obstacle why)
    {
        if (scope.HasBegun(Steps.Restore))
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
            switch (calls.Ask(
                scope, CallNames.Withdraw, scope.Status.TargetNode!,
                (agent, t) => agent.CancelRestoreAsync(request, t)))
            {
                case null:
                    return false;
                case { HasRun: true }:
                    MigrationLimits.TellTooLate(scope);
                    return true;
            }

            scope.NoteNeverRan();
        }

        throw new TerminalException(why.Reason, why.Message);
    }
}
