using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>A cluster with one node's pods, and an operator that answers each PodMigration as it is told.</summary>
internal sealed class NodeCluster : IKubernetes
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(
        Type Kind, string? Namespace, string Name), IKubernetesObject<V1ObjectMeta>> _objects = [];
    private readonly List<(int Version, WatchEventType Type, IKubernetesObject<V1ObjectMeta> Item)> _events = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _version;

    /// <summary>What the operator makes of a migration at once; null: it does not answer yet.</summary>
    public Func<PodMigration, PodMigrationStatus?> Operator { get; set; } = m => Ended(
        m, m.Spec.DryRun == true ? Outcomes.WouldMigrate : Outcomes.Restored);

    /// <summary>What the server says against a write; null: nothing.</summary>
    public Func<object, KubernetesException?> Refuses { get; set; } = _ => null;

    /// <summary>Whether the user may do something, in the server's words for it: "create podmigrations shop". Null: the
    /// server knows no such questions.</summary>
    public Func<string, bool>? May { get; set; } = _ => true;

    /// <summary>What the server says against a read or a watch, by the verb and the kind; null: nothing.</summary>
    public Func<string, Type, KubernetesException?> Hides { get; set; } = (_, _) => null;

    /// <summary>Called after each migration was created, outside of the cluster's lock.</summary>
    public Action<PodMigration> Created { get; set; } = _ => { };

    /// <summary>Every migration that there ever was.</summary>
    public List<PodMigration> All { get; } = [];

    /// <summary>The most dry runs that there were at once.</summary>
    public int MostQuestions { get; private set; }

    public IReadOnlyList<PodMigration> Migrations => Items<PodMigration>();

    public V1Node Node => Items<V1Node>().Single(node => node.Metadata.Name == "node-a");

    public static PodMigrationStatus Ended(
        PodMigration migration, string outcome, string reason = Reasons.Succeeded, string? message = null)
    {
        var good = outcome is Outcomes.Restored or Outcomes.WouldMigrate;
        return new PodMigrationStatus
        {
            Phase = good ? MigrationPhases.Completed : MigrationPhases.Failed,
            Outcome = outcome,
            SourceNode = "node-a",
            TargetNode = migration.Spec.TargetNode ?? "node-b",
            RestoredPodName = outcome == Outcomes.Restored ? migration.Spec.PodName + "-m" : null,
            DowntimeMilliseconds = outcome == Outcomes.Restored ? 500 : null,
            Message = message ?? $"{migration.Spec.PodName}: {outcome}",
            CompletionTime = DateTime.UnixEpoch,
            Conditions = [new V1Condition { Type = ConditionTypes.Ready, Status = good
                ? "True"
                : "False", Reason = reason, Message = message ?? outcome }],
        };
    }

    /// <summary>A node that is ready, and of which the operator says so.</summary>
    public NodeCluster WithNode(bool cordoned = false, string name = "node-a")
    {
        Put(new V1Node
        {
            Metadata = new V1ObjectMeta { Name = name },
            Spec = new V1NodeSpec { Unschedulable = cordoned ? true : null },
            Status = new V1NodeStatus { Conditions = [new V1NodeCondition { Type = "Ready", Status = "True" }] },
        });
        return Telling(name, "True", Reasons.Succeeded, "pods can be moved away from this node, and to it");
    }

    /// <summary>What the operator says of a node.</summary>
    public NodeCluster Telling(string node, string status, string reason, string message)
    {
        Put(new CheckpointNode
        {
            Metadata = new V1ObjectMeta { Name = node },
            Status = new CheckpointNodeStatus { Conditions =
            [
                new V1Condition { Type = ConditionTypes.Ready, Status = status, Reason = reason, Message = message },
            ] },
        });
        return this;
    }

    public void Take<T>(string? namespaceName, string name)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        lock (_lock)
        {
            _objects.Remove((typeof(T), namespaceName, name), out var gone);
            Tell(WatchEventType.Deleted, gone!);
        }
    }

    /// <summary>A pod that runs on the node.</summary>
    /// <param name="name">namespace/name.</param>
    /// <param name="owner">Kind of who owns it; null for nobody.</param>
    /// <param name="with">Changes it.</param>
    public NodeCluster WithPod(string name, string? owner = null, Func<V1Pod, V1Pod>? with = null)
    {
        var parts = name.Split('/');
        var pod = new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                NamespaceProperty = parts[0], Name = parts[1], Uid = "uid-" + parts[1],
                OwnerReferences = owner is null
                    ? null
                    : [new V1OwnerReference
                    {
                        ApiVersion = "apps/v1",
                        Kind = owner,
                        Name = "o",
                        Uid = "o",
                        Controller = true,
                    }],
            },
            Spec = new V1PodSpec { NodeName = "node-a", Containers = [new V1Container { Name = "c" }] },
            Status = new V1PodStatus
            {
                Phase = "Running",
                Conditions = [new V1PodCondition { Type = "Ready", Status = "True" }],
                ContainerStatuses = [new V1ContainerStatus
                {
                    Name = "c",
                    State = new V1ContainerState { Running = new V1ContainerStateRunning() },
                }],
            },
        };
        Put(with is null ? pod : with(pod));
        return this;
    }

    /// <summary>The operator has something to say of a migration that it has not answered.</summary>
    public void Answer(PodMigration migration, PodMigrationStatus status) => Put(migration with { Status = status });

    public void Put<T>(T item)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        lock (_lock)
        {
            var key = (typeof(T), item.Metadata.NamespaceProperty, item.Metadata.Name!);
            var type = _objects.ContainsKey(key) ? WatchEventType.Modified : WatchEventType.Added;
            _objects[key] = item;
            Tell(type, item);
            // Who has been moved is not on its node any more.
            if (item is PodMigration { Status.Outcome: Outcomes.Restored or Outcomes.ColdStarted } moved
                && _objects.Remove((typeof(V1Pod), moved.Metadata.NamespaceProperty, moved.Spec.PodName), out var pod))
            {
                Tell(WatchEventType.Deleted, pod);
            }
        }
    }

    public Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        if (Refuses(item) is { } refusal)
        {
            return Task.FromException<T>(refusal);
        }

        if (item is SelfSubjectAccessReview { Spec.ResourceAttributes: var asked } review)
        {
            return May is { } may
                ? Task.FromResult((T)(object)(review with { Status = new AccessReviewStatus { Allowed = may(
                    $"{asked.Verb} {asked.Resource} {asked.Namespace}".TrimEnd()) } }))
                : Task.FromException<T>(
                    new KubernetesException(HttpStatusCode.NotFound, new V1Status { Message = "404 page not found" }));
        }

        var wish = (PodMigration)(object)item;
        PodMigration created;
        lock (_lock)
        {
            var number = All.Count + 1;
            created = wish with { Metadata = wish.Metadata with { Name = wish.Metadata.Name
                ?? $"{wish.Metadata.GenerateName}{number}", Uid = $"m{number}", ResourceVersion = "1" } };
            All.Add(created);
        }

        Put(created with { Status = Operator(created) });
        MostQuestions = Math.Max(MostQuestions, Migrations.Count(m => m.Spec.DryRun == true));
        Created(created);
        return Task.FromResult((T)(object)created);
    }

    public Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        lock (_lock)
        {
            return Hides("get", typeof(T)) is { } hidden ? Task.FromException<T>(hidden)
                : _objects.TryGetValue((typeof(T), namespaceName, name), out var item)
                ? Task.FromResult((T)item)
                : Task.FromException<T>(new KubernetesException(
                    HttpStatusCode.NotFound, new V1Status { Reason = "NotFound", Message = $"\"{name}\" not found" }));
        }
    }

    public Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        if (Hides("list", typeof(T)) is { } hidden)
        {
            return Task.FromException<KubernetesList<T>>(hidden);
        }

        lock (_lock)
        {
            var items = Items<T>()
                .Where(item => options.Namespace is null || item.Metadata.NamespaceProperty == options.Namespace)
                .Where(item => options.LabelSelector is not { } label
                    || item.Metadata.Labels?.Any(l => $"{l.Key}={l.Value}" == label) == true)
                .Where(item => item is not V1Pod pod || options.FieldSelector == $"spec.nodeName={pod.Spec.NodeName}");
            return Task.FromResult(
                new KubernetesList<T> { Metadata = new V1ListMeta
                {
                    ResourceVersion = $"{_version}",
                }, Items = [.. items] });
        }
    }

    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        for (var version = int.Parse(options.ResourceVersion!); ;)
        {
            Task changed;
            List<(int Version, WatchEventType Type, IKubernetesObject<V1ObjectMeta> Item)> news;
            lock (_lock)
            {
                (changed, news) = (_changed.Task, [.. _events.Where(e => e.Version > version)]);
            }

            foreach (var (at, type, item) in news)
            {
                version = at;
                if (item is T wanted
                    && (options.FieldSelector is null || options.FieldSelector == $"metadata.name={item.Metadata.Name}"
                    || (item is V1Pod pod && options.FieldSelector == $"spec.nodeName={pod.Spec.NodeName}")))
                {
                    yield return new WatchEvent<T>(type, wanted);
                }
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    public Task<T> PatchAsync<T>(
        string? namespaceName, string name, string? subresource, PatchType type, string patch, string fieldManager,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        if (Refuses(patch) is { } refusal)
        {
            return Task.FromException<T>(refusal);
        }

        var cordoned =
            JsonDocument.Parse(patch).RootElement.GetProperty("spec").GetProperty("unschedulable").GetBoolean();
        Put(Node with { Spec = Node.Spec! with { Unschedulable = cordoned } });
        return Task.FromResult((T)(object)Node);
    }

    public Task DeleteAsync<T>(
        string? namespaceName, string name, V1DeleteOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        Take<T>(namespaceName, name);
        return Task.CompletedTask;
    }

    public Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    private IReadOnlyList<T> Items<T>()
    {
        lock (_lock)
        {
            return [.. _objects.Values.OfType<T>()];
        }
    }

    private void Tell(WatchEventType type, IKubernetesObject<V1ObjectMeta> item)
    {
        _events.Add((++_version, type, item));
        var changed = _changed;
        _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }
}
