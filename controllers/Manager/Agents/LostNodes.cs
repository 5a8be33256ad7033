using System.Collections.Concurrent;
using k8s.Models;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Agents;

/// <summary>Which nodes are dead for certain.</summary>
/// <remarks>
/// Silence proves nothing: a node's pods may run behind a cut cable. The out-of-service taint is somebody's word, the
/// same by which Kubernetes removes pods and detaches volumes; as there (podgc, gcTerminating) it counts only while the
/// node is not ready: put on the wrong node, or left on one that is back, it is refuted by what runs there. That a
/// node's object is away is less: somebody may have deleted it to have a kubelet that runs register anew, and its pods
/// run on meanwhile. Kubernetes' own collector waits 40 s before it takes such pods for gone, and kubelet ends those
/// that it collects; what is still away after that was meant so.
/// </remarks>
internal sealed class LostNodes(ICluster cluster, TimeProvider time)
{
    /// <summary>How long an object must have been away, as seen by this operator, without a break.</summary>
    internal static readonly TimeSpan Absence = TimeSpan.FromSeconds(60);

    private const string OutOfService = "node.kubernetes.io/out-of-service";

    private readonly ConcurrentDictionary<string, long> _awaySince = new();

    /// <summary>Whether the node is dead for certain. Of one that nobody has seen go, the time begins
    /// when this is first asked.</summary>
    public bool Contains(string name) => Look(name) is { } node
        ? IsOutOfService(node)
        // Not by the clock, which somebody may set.
        : time.GetElapsedTime(_awaySince.GetOrAdd(name, _ => time.GetTimestamp())) >= Absence;

    /// <summary>Is told of each change of a node, and of its end: one that was back for a moment begins anew.</summary>
    public void Observe(V1Node node)
    {
        if (Look(node.Metadata.Name!) is null)
        {
            _awaySince.TryAdd(node.Metadata.Name!, time.GetTimestamp());
        }
    }

    private V1Node? Look(string name)
    {
        var node = cluster.Find<V1Node>(new ObjectKey(null, name));
        if (node is not null)
        {
            _awaySince.TryRemove(name, out _);
        }

        return node;
    }

    /// <summary>Whether somebody has said of a node that stands there that it is shut down, and nothing speaks against
    /// it.</summary>
    public static bool IsOutOfService(V1Node node) =>
        !AgentDirectory.IsReady(node) && node.Spec?.Taints?.Any(t => t.Key == OutOfService) == true;
}
