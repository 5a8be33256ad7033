using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What is known of a migration's nodes: lost for certain, silent, or well.</summary>
internal sealed class MigrationNodes(ICluster cluster, LostNodes lostNodes)
{
    public V1Node? Find(string name) => cluster.Find<V1Node>(new ObjectKey(null, name));

    /// <summary>It is dead for certain.</summary>
    public bool IsLost(string name) => lostNodes.Contains(name);

    /// <summary>It is dead for certain, and the API server says the same at this instant: what follows from it cannot
    /// be undone, and a watch may be silent for minutes after the node is back.</summary>
    public async Task<bool> IsLostForCertainAsync(string name, CancellationToken cancellationToken) =>
        IsLost(name) && await cluster.ReadAsync<V1Node>(new ObjectKey(null, name), cancellationToken) is var node
        && (node is null || LostNodes.IsOutOfService(node));

    /// <summary>Nobody says that it is lost, and nobody hears of it.</summary>
    public bool IsSilent(string name) =>
        !IsLost(name) && (Find(name) is not { } known || !AgentDirectory.IsReady(known));

    /// <summary>Until the pod is dumped, what it has in memory is nowhere but at its node. After
    /// that its node is not needed.</summary>
    /// <exception cref="TerminalException">The node is dead for certain.</exception>
    public void RequireSource(MigrationScope scope)
    {
        if (IsLost(scope.Status.SourceNode!))
        {
            throw new TerminalException(
                Reasons.NodeLost, $"node {scope.Status.SourceNode} was lost before the pod was dumped there");
        }
    }

    /// <summary>Nothing is restored at a node that is gone.</summary>
    /// <exception cref="TerminalException">The node is dead for certain.</exception>
    public void RequireTarget(MigrationScope scope)
    {
        if (IsLost(scope.Status.TargetNode!))
        {
            throw new TerminalException(
                Reasons.NodeLost, $"node {scope.Status.TargetNode} was lost before the restore was verified");
        }
    }
}
