using k8s;
using k8s.Models;

namespace PodCheckpointing.Runtime;

/// <summary>Finalizers of objects, as controller-runtime's controllerutil has them.</summary>
public static class Finalizers
{
    /// <summary>Whether an object has a finalizer.</summary>
    public static bool HasFinalizer(this IKubernetesObject<V1ObjectMeta> item, string finalizer) =>
        item.Metadata.Finalizers?.Contains(finalizer) == true;

    /// <summary>Adds a finalizer to this very version of an object: before the first side effect that it stands
    /// for.</summary>
    /// <exception cref="ConflictException">The object has changed meanwhile.</exception>
    public static Task AddFinalizerAsync<T>(
        this ICluster cluster, T item, string finalizer, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        cluster.SetFinalizersAsync(item, (item.Metadata.Finalizers ?? []).Append(finalizer), cancellationToken);

    /// <summary>Removes a finalizer from this very version of an object.</summary>
    /// <exception cref="ConflictException">The object has changed meanwhile.</exception>
    public static Task RemoveFinalizerAsync<T>(
        this ICluster cluster, T item, string finalizer, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        cluster.SetFinalizersAsync(
            item, (item.Metadata.Finalizers ?? []).Where(f => f != finalizer), cancellationToken);
}
