using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using PodCheckpointing.Runtime;
using PodCheckpointing.Simulation;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A cluster whose server refuses, holds and removes objects as the real one does, and whose views lag behind
/// where a test says so.</summary>
internal sealed class ServedCluster(SimulatedServer server) : ICluster
{
    private readonly Dictionary<Type, IReadOnlyList<IKubernetesObject<V1ObjectMeta>>> _seen = [];

    public SimulatedServer Server => server;

    /// <summary>What the server refuses to delete, by name, for a webhook.</summary>
    public string? Refused { get; set; }

    /// <summary>How often the server was asked for all objects of a kind.</summary>
    public int Lists { get; private set; }

    /// <summary>What is done from now on with objects of a kind is not seen.</summary>
    public void Freeze<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> => _seen[typeof(T)] = [.. server.All<T>()];

    /// <summary>An object, and what is done from now on with others of its kind, is not seen.</summary>
    public void Hide<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        _seen[typeof(T)] = [.. server.All<T>().Where(o => o.Metadata.Uid != item.Metadata.Uid)];

    /// <summary>Everything is seen again.</summary>
    public void CatchUp() => _seen.Clear();

    public T Create<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta> => server.CreateOrGet(item);

    public T? Find<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta> => All<T>().FirstOrDefault(o => ObjectKey.Of(o) == key);

    public IEnumerable<T> All<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        _seen.TryGetValue(typeof(T), out var seen) ? seen.OfType<T>() : server.All<T>();

    public Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => Task.FromResult(server.Find<T>(key.Namespace, key.Name));

    public Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        Lists++;
        return Task.FromResult<IReadOnlyList<T>>([.. server.All<T>()]);
    }

    public Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => Task.FromResult(server.CreateOrGet(item));

    public Task TryCreateAsync(V1Pod pod, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task DeleteAsync<T>(T item, long? graceSeconds, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        server.Delete(item);
        return Task.CompletedTask;
    }

    public Task<bool> DeleteVersionAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (item.Metadata.Name == Refused)
        {
            throw new KubernetesException(HttpStatusCode.Forbidden, new V1Status { Message = "a webhook says no" });
        }

        if (server.Find<T>(item.Metadata.NamespaceProperty, item.Metadata.Name!) is not { } there
            || there.Metadata.Uid != item.Metadata.Uid
            || there.Metadata.ResourceVersion != item.Metadata.ResourceVersion)
        {
            return Task.FromResult(false);
        }

        server.Delete(there);
        return Task.FromResult(true);
    }

    public Task PatchStatusAsync<T, TStatus>(T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (MergePatch.Between(old, status) is { Count: > 0 } changes)
        {
            server.PatchStatus(item, changes);
        }

        return Task.CompletedTask;
    }

    public Task PatchSpecAsync<T, TSpec>(T item, TSpec old, TSpec spec, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (MergePatch.Between(old, spec) is { Count: > 0 } changes)
        {
            server.Patch(item, new JsonObject { ["spec"] = changes });
        }

        return Task.CompletedTask;
    }

    public Task AnnotateAsync<T>(
        T item, IReadOnlyDictionary<string, string> annotations, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        PatchMetadataAsync(
            item,
            new JsonObject { ["annotations"] = JsonSerializer.SerializeToNode(annotations) },
            cancellationToken);

    public Task PatchMetadataAsync<T>(T item, JsonObject metadata, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        server.Patch(item, new JsonObject { ["metadata"] = metadata });
        return Task.CompletedTask;
    }

    public Task SetFinalizersAsync<T>(T item, IEnumerable<string> finalizers, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        server.SetFinalizers(item, [.. finalizers]);
        return Task.CompletedTask;
    }
}
