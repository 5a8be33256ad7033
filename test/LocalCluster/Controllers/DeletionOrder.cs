using k8s.Models;

namespace PodCheckpointing.TestControllers;

/// <summary>Which pods a ReplicaSet gives up first; kube-controller-manager's
/// ActivePodsWithRanks, in its order.</summary>
/// <param name="together">How many pods of the same owner are on a pod's node.</param>
/// <param name="now">Ages are compared by their order of magnitude (LogarithmicScaleDown).</param>
internal sealed class DeletionOrder(Func<V1Pod, int> together, DateTime now) : IComparer<V1Pod>
{
    public int Compare(V1Pod? x, V1Pod? y)
    {
        var (a, b) = (x!, y!);
        int[] criteria =
        [
            HasNode(a).CompareTo(HasNode(b)),
            Phase(a).CompareTo(Phase(b)),
            a.IsReady().CompareTo(b.IsReady()),
            a.DeletionCost().CompareTo(b.DeletionCost()),
            together(b).CompareTo(together(a)),
            a.IsReady() ? Age(a.ReadySince()).CompareTo(Age(b.ReadySince())) : 0,
            b.Restarts().CompareTo(a.Restarts()),
            Age(a.Metadata.CreationTimestamp).CompareTo(Age(b.Metadata.CreationTimestamp)),
        ];
        var first = criteria.FirstOrDefault(c => c != 0);
        return first != 0 ? first : string.CompareOrdinal(a.Metadata.Uid, b.Metadata.Uid);
    }

    private static bool HasNode(V1Pod pod) => !string.IsNullOrEmpty(pod.Spec.NodeName);

    private static int Phase(V1Pod pod) => pod.Status?.Phase switch { "Running" => 2, "Unknown" => 1, _ => 0 };

    // The younger goes; an age that is not known counts as none.
    private int Age(DateTime? since) =>
        since is { } then && now > then ? (int)Math.Log2((now - then).TotalNanoseconds) : -1;
}
