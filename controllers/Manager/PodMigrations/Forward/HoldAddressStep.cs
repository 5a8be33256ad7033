using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>For pods that take their address along: has the target's node pass no packet of it,
/// before the target is created.</summary>
/// <remarks>
/// Two pods must not answer for one address: an empty receiver would reset the source's connections as soon as any
/// packet found it. So the target of such a pod is created only when the source stands still, which costs its sandbox's
/// time but no connection, and the target's node passes no packet of the address before the sockets are restored.
/// The hold is this migration's by its uid, and asking again only prolongs it.
/// </remarks>
internal sealed class HoldAddressStep(MigrationObjects objects, AgentCalls calls, TimeProvider time) : IMigrationStep
{
    public Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.TargetPrepared))
        {
            return Task.FromResult(true);
        }

        if (!scope.HasBegun(Steps.Hold))
        {
            // Stored first: the way back lets go whatever may be held.
            scope.Begin(Steps.Hold);
            return Task.FromResult(false);
        }

        var left = MigrationLimits.Deadline(scope) - time.GetUtcNow().UtcDateTime;
        var request = new HoldAddressesRequest { Holder = scope.Uid, ForSeconds = HoldFor(left) };
        request.Addresses.AddRange(PodAddress.Of(objects.RequireSource(scope)));
        if (calls.Ask(
            scope, CallNames.Hold, scope.Status.TargetNode!,
            (agent, t) => agent.HoldAddressesAsync(request, t)) is null)
        {
            return Task.FromResult(false);
        }

        scope.End(Steps.Hold, "");
        return Task.FromResult(true);
    }

    /// <summary>What has not run by the deadline never will; some time for the way back.</summary>
    private static uint HoldFor(TimeSpan? left) => (uint)Math.Max(0, left?.TotalSeconds ?? 0) + 60;
}
