using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Where a pod may go when nobody has said.</summary>
internal static class TargetNodes
{
    /// <summary>Of how many nodes it is told why the pod cannot go there.</summary>
    public const int MostTold = 5;

    /// <summary>Nodes that are ready, take pods, and have room for this one, but for the pod's own: the one with the
    /// fewest pods first.</summary>
    public static IReadOnlyList<string> For(V1Pod pod, IReadOnlyList<MountedClaim> claims, ICluster cluster)
    {
        var placement = Placement(pod, cluster);
        return
        [
            .. Open(pod, cluster)
                .Where(n => !Obstacles(pod, claims, n, cluster, placement, isChosen: true).Any())
                .Select(n => n.Metadata.Name!)
                .OrderBy(name => cluster.ByIndex(Indexes.PodsByNode, name).Count())
                .ThenBy(name => name, StringComparer.Ordinal),
        ];
    }

    /// <summary>Why there is none; nothing where there is one.</summary>
    public static IEnumerable<Obstacle> WhyNone(V1Pod pod, IReadOnlyList<MountedClaim> claims, ICluster cluster)
    {
        var placement = Placement(pod, cluster);
        var open = Open(pod, cluster).OrderBy(n => n.Metadata.Name, StringComparer.Ordinal).ToList();
        var why = open.ConvertAll(n => Obstacles(pod, claims, n, cluster, placement, isChosen: true).ToList());
        return open.Count == 0
            ? [new(Reasons.NodeNotFound, "no other node is ready; name a targetNode when there is one")]
            : why.Exists(obstacles => obstacles.Count == 0)
                ? []
                : why.Take(MostTold).SelectMany(obstacles => obstacles);
    }

    /// <summary>What of a node that was asked for keeps the pod, its restore, or the
    /// volumes that it mounts, away.</summary>
    public static IEnumerable<Obstacle> Obstacles(
        V1Pod pod, IReadOnlyList<MountedClaim> claims, V1Node node, ICluster cluster) =>
        Obstacles(pod, claims, node, cluster, Placement(pod, cluster), isChosen: false);

    private static IEnumerable<Obstacle> Obstacles(
        V1Pod pod, IReadOnlyList<MountedClaim> claims, V1Node node, ICluster cluster, PodPlacement placement,
        bool isChosen) =>
        NodeFit.Obstacles(pod, node, cluster.ByIndex(Indexes.PodsByNode, node.Metadata.Name!))
            .Concat(placement.Obstacles(node, isChosen))
            .Concat(NodeObstacles.OfRuntime(node))
            .Concat(claims.Select(claim => claim.Obstacle(node)).OfType<Obstacle>());

    private static PodPlacement Placement(V1Pod pod, ICluster cluster) =>
        new(
            pod,
            cluster.All<V1Pod>,
            cluster.ByIndex(Indexes.PodsWithAntiAffinity, Indexes.AntiAffinity),
            [.. cluster.All<V1Node>()]);

    /// <summary>Whether a node is ready and not cordoned.</summary>
    public static bool IsOpen(V1Node node) => AgentDirectory.IsReady(node) && node.Spec?.Unschedulable != true;

    private static IEnumerable<V1Node> Open(V1Pod pod, ICluster cluster) =>
        cluster.All<V1Node>().Where(n => n.Metadata.Name != pod.Spec.NodeName && IsOpen(n));
}
