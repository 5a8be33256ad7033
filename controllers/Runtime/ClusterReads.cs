using k8s;
using k8s.Models;

namespace PodCheckpointing.Runtime;

/// <summary>Reads that go to the API server only where the cache does not show what is expected.</summary>
public static class ClusterReads
{
    /// <summary>An object as last seen where that is as expected, else as the API server has it now: the cache may lag
    /// behind, and what is concluded from it may be said for good.</summary>
    /// <returns>The object, which may not be as expected; null where the API server has none.</returns>
    public static async Task<T?> FindOrReadAsync<T>(
        this ICluster cluster, ObjectKey key, Func<T, bool> isExpected, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        cluster.Find<T>(key) is { } seen && isExpected(seen)
            ? seen
            : await cluster.ReadAsync<T>(key, cancellationToken).ConfigureAwait(false);
}
