using k8s.Models;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Where a pod may go when nobody has said.</summary>
internal static class TargetNodes
{
    /// <summary>Ready nodes that take pods, but for the pod's own: the one with the fewest pods first.</summary>
    public static IReadOnlyList<string> For(V1Pod pod, ICluster cluster) =>
        [
            .. cluster.All<V1Node>()
                .Where(n => n.Metadata.Name != pod.Spec.NodeName && AgentDirectory.IsReady(n) && n.Spec?.Unschedulable != true)
                .Select(n => n.Metadata.Name!)
                .OrderBy(name => cluster.Where(Indexes.PodsByNode, name).Count())
                .ThenBy(name => name, StringComparer.Ordinal),
        ];
}
