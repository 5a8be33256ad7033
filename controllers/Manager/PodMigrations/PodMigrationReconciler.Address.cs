using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>Pods that take their address along.</content>
/// <remarks>
/// Two pods must not answer for one address: an empty receiver would reset the source's connections as soon as any packet
/// found it. So the target of such a pod is created only when the source stands still, which costs its sandbox's time
/// but no connection, and the target's node passes no packet of the address before the sockets are restored.
/// </remarks>
internal sealed partial class PodMigrationReconciler
{
    private bool KeepsAddress(MigrationScope scope) =>
        scope.HasBegun(Steps.Hold) || (FindSource(scope) is { } source && PodAddress.IsKept(source));

    private Task<bool> HoldAsync(MigrationScope scope, CancellationToken cancellationToken)
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

        var request = new HoldAddressesRequest { Holder = scope.Uid, ForSeconds = HoldFor(Deadline(scope) - Now) };
        request.Addresses.AddRange(PodAddress.Of(RequireSource(scope)));
        if (Ask(scope, "hold", scope.Status.TargetNode!, (agent, t) => agent.HoldAddressesAsync(request, t)) is null)
        {
            return Task.FromResult(false);
        }

        scope.End(Steps.Hold, "");
        return Task.FromResult(true);
    }

    /// <summary>What has not run by the deadline never will; some time for the way back.</summary>
    internal static uint HoldFor(TimeSpan? left) => (uint)Math.Max(0, left?.TotalSeconds ?? 0) + 60;

    /// <summary>On the way back, when the target is gone.</summary>
    private bool LetGo(MigrationScope scope)
    {
        if (!scope.HasBegun(Steps.Hold) || IsLost(scope.Status.TargetNode!))
        {
            return true;
        }

        if (IsSilent(scope.Status.TargetNode!))
        {
            scope.Stall = HoldSilent(scope);
        }

        // While the object stands, the pod may have its network still. And a hold that is on its way would stand for ever if
        // it came after its end.
        if (FindTarget(scope) is not null || calls.IsUnderWay(KeyOf(scope, "hold")))
        {
            return false;
        }

        var request = new HoldAddressesRequest { Holder = scope.Uid };
        try
        {
            return Ask(scope, "let-go", scope.Status.TargetNode!, (agent, t) => agent.HoldAddressesAsync(request, t)) is not null;
        }
        catch (AgentException)
        {
            scope.Stall = HoldSilent(scope);
            throw;
        }
    }

    private static void RequireAddress(V1Pod source, V1Pod target, IEnumerable<string> addresses)
    {
        var (wanted, found) = (PodAddress.Of(source), addresses.ToList());
        if (wanted.Except(found).Any())
        {
            throw new TerminalException(
                Reasons.AddressNotKept,
                $"pod {target.Metadata.Name} has {(found.Count > 0 ? string.Join(", ", found) : "no address")}, not the source's {string.Join(", ", wanted)}: "
                + $"the network does not know annotation {PodAddress.OwnAddresses}");
        }
    }

    /// <summary>Every container has its sockets again: until then the node lets nothing through to the pod.</summary>
    private bool HasSockets(MigrationScope scope, V1Pod target, IEnumerable<string> containers)
    {
        var request = new GetRestoreRequest { PodUid = target.Metadata.Uid, WaitMilliseconds = 20_000, Until = "Restored" };
        request.ContainerNames.AddRange(containers);
        if (Ask(scope, "restored", scope.Status.TargetNode!, (agent, t) => agent.GetRestoreAsync(request, t)) is not { } restore)
        {
            return false;
        }

        RefuseFailed(restore);
        return restore.Containers.All(c => c.Phase is "Restored" or "Running") || AskAgain(scope, "restored");
    }

    private static void RefuseFailed(GetRestoreResponse restore)
    {
        if (restore.Containers.FirstOrDefault(c => c.Phase == "Failed") is { } failed)
        {
            throw new TerminalException(Reasons.RestoreFailed, $"container {failed.ContainerName} could not be restored: {failed.Message}");
        }
    }
}
