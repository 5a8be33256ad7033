using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>Has the target's node let the pod's own address go, when the target is gone.</summary>
/// <remarks>The hold is this migration's by its uid; letting go what is let go changes nothing.</remarks>
internal sealed class AddressRelease(MigrationObjects objects, MigrationNodes nodes, AgentCalls calls)
{
    /// <returns>Whether no node holds the address back any more; true where none ever did.</returns>
    public async Task<bool> LetGoAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (!scope.HasBegun(Steps.Hold)
            || await nodes.IsLostForCertainAsync(scope.Status.TargetNode!, cancellationToken))
        {
            return true;
        }

        if (nodes.IsSilent(scope.Status.TargetNode!))
        {
            scope.Stall = MigrationStalls.HoldSilent(scope);
        }

        // While the object stands, the pod may have its network still. And a hold that is on its way would stand for
        // ever if it came after its end.
        if (objects.FindTarget(scope) is not null || calls.IsUnderWay(scope, CallNames.Hold))
        {
            return false;
        }

        var request = new HoldAddressesRequest { Holder = scope.Uid };
        try
        {
            return calls.Ask(scope, CallNames.LetGo, scope.Status.TargetNode!, (agent, t) => agent
                .HoldAddressesAsync(request, t)) is not null;
        }
        catch (AgentException silent) when (silent.Reason == Reasons.AgentUnavailable)
        {
            scope.Stall = MigrationStalls.HoldSilent(scope);
            throw;
        }
    }
}
