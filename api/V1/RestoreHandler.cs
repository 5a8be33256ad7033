using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Whether a node's runtime knows the handler by which pods are restored.</summary>
public static class RestoreHandler
{
    /// <summary>What a node's kubelet (1.31 or later) tells of its runtime; null where nothing stands in the way. The
    /// handler's file stands also where the runtime does not know it.</summary>
    public static Obstacle? Obstacle(V1Node node)
    {
        if (node.Status?.RuntimeHandlers is not { Count: > 0 } handlers
            || handlers.Any(h => h.Name == WellKnown.RestoreRuntimeClass))
        {
            return null;
        }

        var others = string.Join(", ", handlers.Select(h => h.Name).Where(n => n.Length > 0));
        return new(
            Reasons.NodeNotCapable,
            $"the runtime of node {node.Metadata.Name} has no handler {WellKnown.RestoreRuntimeClass} (it has "
            + $"{others}); configure it, and restart the runtime: "
            + "CRI-O also drops a handler whose program was missing when it started");
    }
}
