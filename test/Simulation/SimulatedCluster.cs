using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>One operator's sight of the server: informers that lag behind, writes that may be lost.</summary>
internal sealed class SimulatedCluster : ICluster
{
    private readonly SimulatedServer _server;
    private readonly Operations _operations;
    private readonly Caller _caller;
    private readonly ILeadership _leadership;
    private readonly bool _learns;
    private readonly Dictionary<Type, Sight> _kinds;

    /// <param name="server">The server.</param>
    /// <param name="operations">The network.</param>
    /// <param name="caller">Who sees.</param>
    /// <param name="leadership">Whether it may write.</param>
    /// <param name="learns">Whether what it writes is in its copy at once, as in the real one; else all of it lags
    /// behind, as what others write does.</param>
    public SimulatedCluster(
        SimulatedServer server, Operations operations, Caller caller, ILeadership leadership, bool learns)
    {
        (_server, _operations, _caller, _leadership, _learns) = (server, operations, caller, leadership, learns);
        _kinds = new Dictionary<Type, Sight>
        {
            [typeof(V1Pod)] = Of<V1Pod>(), [typeof(V1Node)] = Of<V1Node>(), [typeof(PodMigration)] = Of<PodMigration>(),
            [typeof(PodCheckpoint)] = Of<PodCheckpoint>(), [typeof(ContainerCheckpoint)] = Of<ContainerCheckpoint>(),
            [typeof(PodCheckpointContent)] = Of<PodCheckpointContent>(),
            [typeof(ContainerCheckpointContent)] = Of<ContainerCheckpointContent>(),
            [typeof(CheckpointNode)] = Of<CheckpointNode>(),
        };
        server.Changed += Enqueue;

        Sight Of<T>()
            where T : class, IKubernetesObject<V1ObjectMeta> => new Sight<T>(server, item => Saw?.Invoke(item));
    }

    /// <summary>Is told what an informer has just seen.</summary>
    public event Action<IKubernetesObject<V1ObjectMeta>>? Saw;

    /// <summary>The migrations that there were when the server first listed them for it; null: it has not
    /// yet.</summary>
    public IReadOnlyList<PodMigration>? Counted { get; private set; }

    public bool Behind => _kinds.Values.Any(k => k.IsBehind);

    public void Die() => _server.Changed -= Enqueue;

    /// <summary>Lets one kind's informer see its next event.</summary>
    public void Deliver(Random random)
    {
        var waiting = _kinds.Values.Where(k => k.IsBehind).ToList();
        waiting[random.Next(waiting.Count)].See();
    }

    public T? Find<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta> => SightOf<T>()?.Find(key);

    public IEnumerable<T> All<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> => SightOf<T>()?.All.ToList() ?? [];

    public Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Read($"read {key.Name}", () => _server.Find<T>(key.Namespace, key.Name));

    public Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Read<IReadOnlyList<T>>($"list {typeof(T).Name}", () =>
        {
            IReadOnlyList<T> all = [.. _server.All<T>()];
            Counted ??= all as IReadOnlyList<PodMigration>;
            return all;
        });

    public async Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var sent = _server.Now;
        var (there, isNew) = await Call(
            $"create {typeof(T).Name} {item.Metadata.Name}", () =>
            {
                // What makes a pod hours after it was asked for is no operator's call any more, and StrayTargets knows.
                // Of other kinds one may come at any time.
                return item is V1Pod && _server.Now - sent > SimulatedServer.Patience
                    ? throw SimulatedServer.GivenUp()
                    : (_server.CreateOrGet(item, out var isNew), isNew);
            });
        return isNew ? Learn(there) : there;
    }

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
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Call($"delete version of {typeof(T).Name} {item.Metadata.Name}", () => _server.DeleteVersion(item));

    public Task PatchStatusAsync<T, TStatus>(T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        MergePatch.Between(old, status) is { Count: > 0 } changes
            ? WriteAsync(
                $"status {typeof(T).Name} {item.Metadata.Name} {changes["phase"]}",
                () => _server.PatchStatus(item, changes))
            : Task.CompletedTask;

    public Task PatchSpecAsync<T, TSpec>(T item, TSpec old, TSpec spec, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        MergePatch.Between(old, spec) is { Count: > 0 } changes
            ? WriteAsync(
                $"spec {typeof(T).Name} {item.Metadata.Name}",
                () => _server.Patch(item, new JsonObject { ["spec"] = changes }))
            : Task.CompletedTask;

    public Task AnnotateAsync<T>(
        T item, IReadOnlyDictionary<string, string> annotations, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        WriteAsync($"annotate {typeof(T).Name} {item.Metadata.Name}", () => _server.Patch(
            item, new JsonObject
            {
                ["metadata"] = new JsonObject { ["annotations"] = JsonSerializer.SerializeToNode(annotations) },
            }));

    public Task PatchMetadataAsync<T>(T item, JsonObject metadata, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        WriteAsync($"metadata {typeof(T).Name} {item.Metadata.Name}", () => _server.Patch(
            item, new JsonObject { ["metadata"] = metadata.DeepClone() }));

    public Task SetFinalizersAsync<T>(T item, IEnumerable<string> finalizers, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var wanted = finalizers.ToList();
        return WriteAsync(
            $"finalizers {typeof(T).Name} {item.Metadata.Name}", () => _server.SetFinalizers(item, wanted));
    }

    private Sight<T>? SightOf<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> => _kinds.GetValueOrDefault(typeof(T)) as Sight<T>;

    private Task<T> Read<T>(string name, Func<T> effect) =>
        _operations.BeginAsync(_caller, name, () => true, effect, _server.WhySilent, changes: false);

    private async Task WriteAsync<T>(string name, Func<T> effect)
        where T : class, IKubernetesObject<V1ObjectMeta> => Learn(await Call(name, effect));

    private T Learn<T>(T written)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (_learns)
        {
            SightOf<T>()?.Learn(written);
        }

        return written;
    }

    /// <summary>As Cluster does, before each write.</summary>
    private Task<T> Call<T>(string name, Func<T> effect)
    {
        _leadership.ThrowIfNotLeading();
        return _operations.BeginAsync(_caller, name, () => true, effect, _server.WhySilent);
    }

    private void Enqueue(IKubernetesObject<V1ObjectMeta> item, bool gone) =>
        _kinds.GetValueOrDefault(item.GetType())?.Enqueue(item, gone);
}
