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
        scope.HasBegun(Steps.Hold) || (_objects.FindSource(scope) is { } source && PodAddress.IsKept(source));

    /// <summary>On the way back, when the target is gone.</summary>
    private bool LetGo(MigrationScope scope)
    {
        if (!scope.HasBegun(Steps.Hold) || _nodes.IsLost(scope.Status.TargetNode!))
        {
            return true;
        }

        if (_nodes.IsSilent(scope.Status.TargetNode!))
        {
            scope.Stall = MigrationStalls.HoldSilent(scope);
        }

        // While the object stands, the pod may have its network still. And a hold that is on its way would stand for ever if
        // it came after its end.
        if (_objects.FindTarget(scope) is not null || _calls.IsUnderWay(scope, "hold"))
        {
            return false;
        }

        var request = new HoldAddressesRequest { Holder = scope.Uid };
        try
        {
            return _calls.Ask(scope, "let-go", scope.Status.TargetNode!, (agent, t) => agent.HoldAddressesAsync(request, t)) is not null;
        }
        catch (AgentException)
        {
            scope.Stall = MigrationStalls.HoldSilent(scope);
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
        if (_calls.Ask(scope, "restored", scope.Status.TargetNode!, (agent, t) => agent.GetRestoreAsync(request, t)) is not { } restore)
        {
            return false;
        }

        RefuseFailed(restore);
        return restore.Containers.All(c => c.Phase is "Restored" or "Running") || _calls.AskAgain(scope, "restored");
    }

    private static void RefuseFailed(GetRestoreResponse restore)
    {
        if (restore.Containers.FirstOrDefault(c => c.Phase == "Failed") is { } failed)
        {
            throw new TerminalException(Reasons.RestoreFailed, $"container {failed.ContainerName} could not be restored: {failed.Message}");
        }
    }
}
