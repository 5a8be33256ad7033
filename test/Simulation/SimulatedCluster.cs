using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>One operator's sight of the server: informers that lag behind, writes that may be lost.</summary>
internal sealed class SimulatedCluster : ICluster
{
    private readonly SimulatedServer _server;
    private readonly Operations _operations;
    private readonly Caller _caller;
    private readonly ILeadership _leadership;
    private readonly Dictionary<Type, Queue<(IKubernetesObject<V1ObjectMeta> Item, bool Gone)>> _events = [];
    private readonly Dictionary<(Type, ObjectKey), IKubernetesObject<V1ObjectMeta>> _seen = [];

    public SimulatedCluster(SimulatedServer server, Operations operations, Caller caller, ILeadership leadership)
    {
        (_server, _operations, _caller, _leadership) = (server, operations, caller, leadership);
        foreach (var item in server.All<IKubernetesObject<V1ObjectMeta>>())
        {
            _seen[(item.GetType(), ObjectKey.Of(item))] = item;
        }

        server.Changed += Enqueue;
    }

    /// <summary>Is told what an informer has just seen.</summary>
    public event Action<IKubernetesObject<V1ObjectMeta>>? Saw;

    public bool Behind => _events.Values.Any(q => q.Count > 0);

    public void Die() => _server.Changed -= Enqueue;

    /// <summary>Lets one kind's informer see its next event.</summary>
    public void Deliver(Random random)
    {
        var waiting = _events.Values.Where(q => q.Count > 0).ToList();
        var (item, gone) = waiting[random.Next(waiting.Count)].Dequeue();
        var key = (item.GetType(), ObjectKey.Of(item));
        if (gone)
        {
            _seen.Remove(key);
        }
        else
        {
            _seen[key] = item;
        }

        Saw?.Invoke(item);
    }

    public T? Find<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        _seen.GetValueOrDefault((typeof(T), key)) as T;

    public IEnumerable<T> All<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> => [.. _seen.Values.OfType<T>()];

    public Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Read($"read {key.Name}", () => _server.Find<T>(key.Namespace, key.Name));

    public Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Read<IReadOnlyList<T>>($"list {typeof(T).Name}", () => [.. _server.All<T>()]);

    public Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Call($"create {typeof(T).Name} {item.Metadata.Name}", () => _server.CreateOrGet(item));

    public Task TryCreateAsync(V1Pod pod, CancellationToken cancellationToken) =>
        Read($"try create {pod.Metadata.Name}", () => _server.Admit(pod));

    public Task DeleteAsync<T>(T item, long? graceSeconds, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Call($"delete {typeof(T).Name} {item.Metadata.Name}", () =>
        {
            if (graceSeconds == 0)
            {
                _server.Remove(item);
            }
            else
            {
                _server.Delete(item);
            }

            return true;
        });

    public Task<bool> DeleteVersionAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException("no sweep runs here");

    public Task PatchStatusAsync<T, TStatus>(T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        MergePatch.Between(old, status) is { Count: > 0 } changes
            ? Call($"status {typeof(T).Name} {item.Metadata.Name} {changes["phase"]}", () => _server.PatchStatus(item, changes))
            : Task.CompletedTask;

    public Task PatchSpecAsync<T, TSpec>(T item, TSpec old, TSpec spec, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        MergePatch.Between(old, spec) is { Count: > 0 } changes
            ? Call($"spec {typeof(T).Name} {item.Metadata.Name}", () => _server.Patch(item, new JsonObject { ["spec"] = changes }))
            : Task.CompletedTask;

    public Task AnnotateAsync<T>(T item, string annotation, string value, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Call($"annotate {typeof(T).Name} {item.Metadata.Name}", () => _server.Patch(
            item, new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [annotation] = value } } }));

    public Task PatchMetadataAsync<T>(T item, JsonObject metadata, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Call($"metadata {typeof(T).Name} {item.Metadata.Name}", () => _server.Patch(item, new JsonObject { ["metadata"] = metadata.DeepClone() }));

    public Task SetFinalizersAsync<T>(T item, IEnumerable<string> finalizers, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var wanted = finalizers.ToList();
        return Call($"finalizers {typeof(T).Name} {item.Metadata.Name}", () =>
        {
            _server.SetFinalizers(item, wanted);
            return true;
        });
    }

    private Task<T> Read<T>(string name, Func<T> effect) => _operations.BeginAsync(_caller, name, () => true, effect, Silent, changes: false);

    /// <summary>As Cluster does, before each write.</summary>
    private Task<T> Call<T>(string name, Func<T> effect)
    {
        _leadership.Demand();
        return _operations.BeginAsync(_caller, name, () => true, effect, Silent);
    }

    private static HttpRequestException Silent() => new("the API server did not answer");

    private void Enqueue(IKubernetesObject<V1ObjectMeta> item, bool gone)
    {
        if (!_events.TryGetValue(item.GetType(), out var queue))
        {
            _events[item.GetType()] = queue = new Queue<(IKubernetesObject<V1ObjectMeta>, bool)>();
        }

        queue.Enqueue((item, gone));
    }
}
