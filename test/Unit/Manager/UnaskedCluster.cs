using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A cluster that nothing may be asked of, but what a test overrides.</summary>
internal abstract class UnaskedCluster : ICluster
{
    public Task TryCreateAsync(V1Pod pod, CancellationToken cancellationToken) => throw new NotSupportedException();

    public virtual T? Find<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual IEnumerable<T> All<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task DeleteAsync<T>(T item, long? graceSeconds, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task<bool> DeleteVersionAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task PatchStatusAsync<T, TStatus>(
        T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task PatchSpecAsync<T, TSpec>(T item, TSpec old, TSpec spec, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task AnnotateAsync<T>(
        T item, IReadOnlyDictionary<string, string> annotations, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task PatchMetadataAsync<T>(T item, JsonObject metadata, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public virtual Task SetFinalizersAsync<T>(
        T item, IEnumerable<string> finalizers, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();
}
