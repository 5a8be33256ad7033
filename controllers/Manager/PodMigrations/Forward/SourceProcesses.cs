using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Has the source's processes killed before its kubelet hears of its end, and before its ReplicaSet drops it:
/// a preStop hook would speak for the pod that goes on at the target.</summary>
/// <remarks>That they are killed is stored before they are. A second call finds none.</remarks>
internal sealed class SourceProcesses(MigrationNodes nodes, AgentCalls calls, TimeProvider time)
{
    /// <summary>In which an agent kills processes, or comes back from an update.</summary>
    private static readonly TimeSpan AgentsTime = TimeSpan.FromSeconds(30);

    /// <returns>Whether they are; false while their node is being asked, or it is to be
    /// stored first that it will be.</returns>
    public bool Kill(MigrationScope scope, V1Pod source)
    {
        var node = scope.Status.SourceNode!;
        if (source.Metadata.DeletionTimestamp is not null || nodes.IsLost(node) || nodes.IsSilent(node))
        {
            return true;
        }

        if (!scope.HasBegun(Steps.EndSource))
        {
            scope.Begin(Steps.EndSource);
            return false;
        }

        if (!Kill(scope))
        {
            return false;
        }

        scope.End(Steps.EndSource, "");
        return true;
    }

    /// <summary>The same for a pod whose object is gone, or whose end is stored.</summary>
    public bool Kill(MigrationScope scope)
    {
        var request = new EndProcessesRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid };
        try
        {
            return calls.Ask(scope, CallNames.EndProcesses, scope.Status.SourceNode!, (agent, t) => agent
                .EndProcessesAsync(request, t)) is not null;
        }
        catch (AgentException failed) when (failed.IsTerminal || HasWaited(scope))
        {
            // Without a fence there, by an agent that does not know how, or by none at all while a Service waits for
            // its pod: kubelet ends it as it would end any pod.
            return true;
        }
    }

    private bool HasWaited(MigrationScope scope) =>
        time.GetUtcNow().UtcDateTime - (scope.BeganAt(Steps.EndSource) ?? scope.BeganAt(Steps.Commit)) > AgentsTime;
}
