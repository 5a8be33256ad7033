using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Whether a node has room for a pod and takes it, as the scheduler decides it for other pods.</summary>
/// <remarks>A target pod is bound to its node from the beginning, so that no scheduler looks at it; kubelet would
/// refuse some of this, when the migration is under way, and let the rest pass. One place for the operator, which
/// refuses by it, and the plug-in, which tells it beforehand.</remarks>
public static class NodeFit
{
    /// <summary>Taints by which the cluster says what is looked at in another way: readiness, and
    /// that the node is cordoned.</summary>
    private static readonly string[] Elsewhere =
    [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
        "node.kubernetes.io/unschedulable",
    ];

    /// <summary>Every obstacle, with its reason word; none where the pod can go there.</summary>
    /// <param name="pod">The pod that moves.</param>
    /// <param name="node">The node.</param>
    /// <param name="others">The pods that are on the node, or are bound to it.</param>
    public static IEnumerable<Obstacle> Obstacles(V1Pod pod, V1Node node, IEnumerable<V1Pod> others)
    {
        var there = others.Where(o => o.Status?.Phase is not ("Succeeded" or "Failed")).ToList();
        return Lacking(pod, node, there).Select(message => new Obstacle(Reasons.InsufficientResources, message))
            .Concat(PortsTaken(pod, node, there)
                .Select(message => new Obstacle(Reasons.InsufficientResources, message)))
            .Concat(NotTolerated(pod, node).Select(message => new Obstacle(Reasons.TaintNotTolerated, message)))
            .Concat(NodeSelection.Obstacles(pod, node)
                .Select(message => new Obstacle(Reasons.NodeNotSelected, message)));
    }

    private static IEnumerable<string> Lacking(V1Pod pod, V1Node node, List<V1Pod> there)
    {
        var allocatable = PodRequests.AmountsIn(node.Status?.More, "allocatable");
        if (allocatable.Count == 0)
        {
            // kubelet has not said yet what there is.
            yield break;
        }

        foreach (var (resource, asked) in PodRequests.OfRestored(pod).Where(r => r.Value > 0))
        {
            var all = allocatable.GetValueOrDefault(resource);
            var taken = there.Sum(other => PodRequests.Of(other).GetValueOrDefault(resource));
            if (asked > all - taken)
            {
                string Tell(decimal amount) => PodRequests.Tell(resource, Math.Max(0, amount));
                yield return resource == PodRequests.Pods
                    ? $"node {node.Metadata.Name} takes {Tell(all)} pods, and {Tell(taken)} are there"
                    : $"pod {pod.Metadata.Name} requests {Tell(asked)} of {resource}, and node {node.Metadata.Name} "
                        + $"has {Tell(all - taken)} left of {Tell(all)}";
            }
        }
    }

    private static IEnumerable<string> PortsTaken(V1Pod pod, V1Node node, List<V1Pod> there)
    {
        var taken = there.SelectMany(other => Ports(other).Select(port => (port, other.Metadata))).ToList();
        foreach (var port in Ports(pod))
        {
            if (taken.Find(t => t.port.Number == port.Number && t.port.Protocol == port.Protocol
                && (t.port.Address == port.Address || t.port.Address == Port.Any || port.Address == Port.Any)).Metadata
                is { } by)
            {
                yield return $"hostPort {port.Number}/{port.Protocol} of node {node.Metadata.Name} is taken by pod "
                    + $"{by.NamespaceProperty}/{by.Name}";
            }
        }
    }

    private static IEnumerable<string> NotTolerated(V1Pod pod, V1Node node)
    {
        var tolerations =
            pod.Spec.More?.TryGetValue("tolerations", out var list) == true && list.ValueKind == JsonValueKind.Array
                ? list.EnumerateArray().ToList()
                : [];
        return (node.Spec?.Taints ?? [])
            .Where(t => t.Effect is "NoSchedule" or "NoExecute"
                && !Elsewhere.Contains(t.Key)
                && !tolerations.Exists(o => Tolerates(o, t)))
            .Select(
                t =>
                    $"node {node.Metadata.Name} has the taint "
                        + $"{t.Key}{(string.IsNullOrEmpty(t.Value) ? "" : "=" + t.Value)}:{t.Effect}, which the pod "
                        + "does not tolerate");
    }

    private static bool Tolerates(JsonElement toleration, V1Taint taint)
    {
        string Text(string field) => toleration.TryGetProperty(field, out var value) ? value.GetString() ?? "" : "";
        var (key, effect) = (Text("key"), Text("effect"));
        return (effect.Length == 0 || effect == taint.Effect)
            && (key.Length == 0 || key == taint.Key)
            && (Text("operator") == "Exists" || (key.Length > 0 && Text("value") == (taint.Value ?? "")));
    }

    private static IEnumerable<Port> Ports(V1Pod pod) =>
        from container in pod.LivingContainers()
        let ports = container.More?.TryGetValue("ports", out var list) == true ? list : default
        where ports.ValueKind == JsonValueKind.Array
        from port in ports.EnumerateArray()
        where port.TryGetProperty("hostPort", out var number) && number.GetInt32() > 0
        select new Port(
            port.GetProperty("hostPort").GetInt32(),
            port.TryGetProperty("protocol", out var protocol) ? protocol.GetString()! : "TCP",
            port.TryGetProperty("hostIP", out var address) && address.GetString() is { Length: > 0 } one
                ? one
                : Port.Any);

    private readonly record struct Port(int Number, string Protocol, string Address)
    {
        public const string Any = "0.0.0.0";
    }
}
