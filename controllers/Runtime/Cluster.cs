using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;

namespace PodCheckpointing.Runtime;

/// <summary>The cluster as reconcilers see it: reads from the informers, writes to the API server.</summary>
public interface ICluster
{
    /// <summary>An object as last seen, or null.</summary>
    T? Find<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>All objects of a kind as last seen.</summary>
    IEnumerable<T> All<T>()
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>The objects of a kind, as last seen, that an index finds by a value.</summary>
    IEnumerable<T> ByIndex<T>(ObjectIndex<T> index, string value)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        All<T>().Where(item => index.ValueOf(item) == value);

    /// <summary>An object as the API server has it now, or null: for the rare decision that must not rest on a view
    /// that may lag behind.</summary>
    Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>All objects of a kind as the API server has them now: once in the life of whoever must know what others
    /// have done a moment ago.</summary>
    Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Creates an object, or reads the one of that name back, which may be somebody else's.</summary>
    Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Asks the API server whether it would create a pod, and creates none. That one of its name is there is
    /// no refusal.</summary>
    /// <exception cref="KubernetesException">It would not.</exception>
    Task TryCreateAsync(V1Pod pod, CancellationToken cancellationToken);

    /// <summary>Deletes this very object (by uid); that it is gone is no error.</summary>
    Task DeleteAsync<T>(T item, long? graceSeconds, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Deletes this very version of an object.</summary>
    /// <returns>Whether it was deleted; not where it has changed meanwhile, or has gone.</returns>
    Task<bool> DeleteVersionAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Writes the status of this very version of an object; nothing, when it has not changed.</summary>
    /// <exception cref="ConflictException">The object has changed meanwhile.</exception>
    Task PatchStatusAsync<T, TStatus>(T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Writes the spec of this very version of an object; nothing, when it has not changed.</summary>
    /// <exception cref="ConflictException">The object has changed meanwhile.</exception>
    Task PatchSpecAsync<T, TSpec>(T item, TSpec old, TSpec spec, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Sets annotations of this very version of an object.</summary>
    /// <exception cref="ConflictException">The object has changed meanwhile.</exception>
    Task AnnotateAsync<T>(
        T item, IReadOnlyDictionary<string, string> annotations, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Patches the metadata of this very version of an object, in one
    /// write; null takes a field away.</summary>
    /// <exception cref="ConflictException">The object has changed meanwhile.</exception>
    Task PatchMetadataAsync<T>(T item, JsonObject metadata, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;

    /// <summary>Sets the finalizers of this very version of an object.</summary>
    /// <exception cref="ConflictException">The object has changed meanwhile.</exception>
    Task SetFinalizersAsync<T>(T item, IEnumerable<string> finalizers, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>;
}

/// <summary>The real cluster. Who does not lead any more writes nothing to it.</summary>
public sealed class Cluster(
    IServiceProvider services, IKubernetes kubernetes, string fieldManager, ILeadership leadership) : ICluster
{
    /// <inheritdoc/>
    public T? Find<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        services.GetRequiredService<Informer<T>>().Find(key);

    /// <inheritdoc/>
    public IEnumerable<T> All<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        services.GetRequiredService<Informer<T>>().All;

    /// <inheritdoc/>
    public IEnumerable<T> ByIndex<T>(ObjectIndex<T> index, string value)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        services.GetRequiredService<Informer<T>>().ByIndex(index, value);

    /// <inheritdoc/>
    public async Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            return await kubernetes.GetAsync<T>(key.Namespace, key.Name, cancellationToken).ConfigureAwait(false);
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        await kubernetes.AllAsync<T>(new ListOptions(), cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        leadership.ThrowIfNotLeading();
        try
        {
            return RecordWrite(await kubernetes.CreateAsync(item, cancellationToken).ConfigureAwait(false));
        }
        catch (KubernetesException exception) when (exception.IsAlreadyExists)
        {
            return await kubernetes
                .GetAsync<T>(item.Metadata.NamespaceProperty, item.Metadata.Name!, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async Task TryCreateAsync(V1Pod pod, CancellationToken cancellationToken)
    {
        try
        {
            await kubernetes.CreateAsync(pod, dryRun: true, cancellationToken).ConfigureAwait(false);
        }
        catch (KubernetesException exception) when (exception.IsAlreadyExists)
        {
            // What it would have refused otherwise, it will say when the other one is gone.
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync<T>(T item, long? graceSeconds, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        // Where nothing was deleted it is gone, or a namesake stands there now: this one is deleted either way.
        DeleteAsync(item, graceSeconds, new V1Preconditions { Uid = item.Metadata.Uid }, cancellationToken);

    /// <inheritdoc/>
    public Task<bool> DeleteVersionAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => DeleteAsync(
        item, null, new V1Preconditions { Uid = item.Metadata.Uid, ResourceVersion = item.Metadata.ResourceVersion },
        cancellationToken);

    /// <inheritdoc/>
    public Task PatchStatusAsync<T, TStatus>(T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        MergePatch.Between(old, status) is { Count: > 0 } changes
            ? PatchAsync(item, "status", new JsonObject { ["status"] = changes }, cancellationToken)
            : Task.CompletedTask;

    /// <inheritdoc/>
    public Task PatchSpecAsync<T, TSpec>(T item, TSpec old, TSpec spec, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        MergePatch.Between(old, spec) is { Count: > 0 } changes
            ? PatchAsync(item, subresource: null, new JsonObject { ["spec"] = changes }, cancellationToken)
            : Task.CompletedTask;

    /// <inheritdoc/>
    public Task AnnotateAsync<T>(
        T item, IReadOnlyDictionary<string, string> annotations, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        PatchMetadataAsync(
            item,
            new JsonObject { ["annotations"] = JsonSerializer.SerializeToNode(annotations) },
            cancellationToken);

    /// <inheritdoc/>
    public Task PatchMetadataAsync<T>(T item, JsonObject metadata, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        PatchAsync(item, subresource: null, new JsonObject { ["metadata"] = metadata }, cancellationToken);

    /// <inheritdoc/>
    public Task SetFinalizersAsync<T>(T item, IEnumerable<string> finalizers, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        PatchAsync(
            item,
            subresource: null,
            new JsonObject
            {
                ["metadata"] = new JsonObject
                {
                    ["finalizers"] = new JsonArray([.. finalizers.Select(f => (JsonNode)f)]),
                },
            },
            cancellationToken);

    private async Task<bool> DeleteAsync<T>(
        T item, long? graceSeconds, V1Preconditions preconditions, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        leadership.ThrowIfNotLeading();
        try
        {
            await kubernetes.DeleteAsync<T>(
                item.Metadata.NamespaceProperty,
                item.Metadata.Name!,
                new V1DeleteOptions { GracePeriodSeconds = graceSeconds, Preconditions = preconditions },
                cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (KubernetesException exception) when (exception.IsNotFound || exception.IsConflict)
        {
            return false;
        }
    }

    private async Task PatchAsync<T>(T item, string? subresource, JsonObject patch, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        leadership.ThrowIfNotLeading();
        var metadata = patch["metadata"]?.AsObject() ?? [];
        patch["metadata"] = metadata;
        metadata["uid"] = item.Metadata.Uid;
        metadata["resourceVersion"] = item.Metadata.ResourceVersion;
        try
        {
            RecordWrite(await kubernetes.PatchAsync<T>(
                item.Metadata.NamespaceProperty, item.Metadata.Name!, subresource, PatchType.Merge,
                patch.ToJsonString(),
                fieldManager, cancellationToken).ConfigureAwait(false));
        }
        catch (KubernetesException exception) when (exception.IsConflict || exception.IsNotFound)
        {
            throw new ConflictException($"{ObjectKey.Of(item)} has changed", exception);
        }
    }

    private T RecordWrite<T>(T written)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        services.GetService<Informer<T>>()?.RecordWrite(written);
        return written;
    }
}
