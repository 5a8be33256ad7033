using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Google.Protobuf;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>One migration of pod p from node a to node b, its reconciler, a server that refuses what was read before
/// somebody else wrote, and agents that do as they are told, each for its own node.</summary>
internal sealed class MigrationWorld : ICluster, IAgentDirectory, IEventRecorder, IDisposable
{
    public const string Source = "a";
    public const string Target = "b";
    private static readonly ObjectKey Key = new("n", "m");
    private readonly Dictionary<(Type, ObjectKey), IKubernetesObject<V1ObjectMeta>> _objects = [];
    private readonly PodMigrationReconciler _reconciler;
    private readonly WorkQueue _queue;
    private readonly Dictionary<string, NodeAgent> _agents = [];
    private readonly Dictionary<Type, object> _answers = [];

    // Where a pod is, or was: its agent knows also when its object is gone.
    private readonly Dictionary<string, string> _homes = new() { ["target-uid"] = Target };
    private int _version;

    public MigrationWorld()
    {
        _queue = new WorkQueue(Time);
        _reconciler = new PodMigrationReconciler(
            this, this, new LostNodes(this, Time),
            new PendingCalls(new Inline(), new SoleLeader(), CancellationToken.None),
            new MigrationSlots(this, Options.Create(new OperatorOptions())),
            this, _queue, Time);
        Put(Node("a"));
        Put(Node("b"));
        Put(new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "n", Uid = "pod-uid" },
            Spec = new V1PodSpec { NodeName = "a", Containers = [new V1Container { Name = "c" }] },
            Status = new V1PodStatus { Phase = "Running" },
        });
        Put(new PodMigration
        {
            Metadata = new V1ObjectMeta
            {
                Name = "m", NamespaceProperty = "n",
                Uid = "migration-uid", CreationTimestamp = Time.GetUtcNow().UtcDateTime,
                Finalizers = [WellKnown.MigrationFinalizer],
            },
            Spec = new PodMigrationSpec { PodName = "p", TargetNode = "b" },
        });
    }

    public HandTime Time { get; } = new();

    public PodMigration Migration => Find<PodMigration>(Key)!;

    public PodMigrationStatus Status => Migration.Status!;

    public List<(string Type, string Reason, string Message)> Events { get; } = [];

    /// <summary>What the API server says to every create; null: it creates.</summary>
    public KubernetesException? Refusal { get; set; }

    /// <summary>What was written to objects' metadata: the name, and the patch.</summary>
    public List<(string Name, string Patch)> MetadataPatches { get; } = [];

    /// <summary>What somebody else writes just before the next write.</summary>
    public Action? Overtaking { get; set; }

    /// <summary>Objects that the API server has otherwise than the informers.</summary>
    public Dictionary<ObjectKey, IKubernetesObject<V1ObjectMeta>> OnServer { get; } = [];

    /// <summary>What agents were asked, in order, and each at its node.</summary>
    public List<(string Node, IMessage Request)> Calls { get; } = [];

    /// <summary>The same for people: node and request.</summary>
    public IEnumerable<string> AskedAt => Calls.Select(call => $"{call.Node} {call.Request.Descriptor.Name}");

    /// <summary>What agents were asked to end or to lift, in order.</summary>
    public IEnumerable<Type> Asked => Calls.Select(call => call.Request.GetType())
        .Where(type => type == typeof(UnfenceRequest) || type == typeof(EndProcessesRequest));

    /// <summary>Which containers agents were asked about last.</summary>
    public IEnumerable<string> AskedAbout =>
        Calls.Select(call => call.Request).OfType<GetRestoreRequest>().Last().ContainerNames;

    /// <summary>What agents were asked that is on another node.</summary>
    public List<string> Astray { get; } = [];

    /// <summary>What agents find on the volume.</summary>
    public List<StoredCheckpoint> Stored { get; } = [];

    /// <summary>What agents were asked to remove from the volume.</summary>
    public List<string> Removed { get; } = [];

    /// <summary>Called after each of them.</summary>
    public Action OnRemoved { get; set; } = () => { };

    /// <summary>What was deleted, by name.</summary>
    public List<string> Deleted { get; } = [];

    /// <param name="name">Its name.</param>
    /// <param name="outOfService">Whether somebody says that it is shut down.</param>
    /// <param name="ready">What is known of it; null: nothing where it is shut down, else that it is ready.</param>
    public static V1Node Node(string name, bool outOfService = false, string? ready = null) => new()
    {
        Metadata = new V1ObjectMeta { Name = name },
        Spec = new V1NodeSpec { Taints = outOfService ?
        [
            new V1Taint { Key = "node.kubernetes.io/out-of-service", Effect = "NoExecute" },
        ] : null },
        Status = new V1NodeStatus
        {
            Conditions =
            [
                new V1NodeCondition { Type = "Ready", Status = ready ?? (outOfService ? "Unknown" : "True") },
            ],
            Addresses = [new V1NodeAddress { Type = "InternalIP", Address = "192.0.2.1" }],
        },
    };

    /// <summary>The name of the migration's checkpoint.</summary>
    public string Checkpoint => MigrationScope.CheckpointNameFor(Migration);

    /// <summary>As often as any way back takes that waits for nobody.</summary>
    public async Task ReconcileAFewTimesAsync()
    {
        for (var i = 0; i < 5; i++)
        {
            await ReconcileAsync();
        }
    }

    /// <summary>Changes a pod's metadata, as somebody else does.</summary>
    public void Change(string pod, Func<V1ObjectMeta, V1ObjectMeta> change)
    {
        var item = Find<V1Pod>(new("n", pod))!;
        Put(item with { Metadata = change(item.Metadata) });
    }

    /// <summary>The migration's checkpoint, which holds nothing, or all that it has.</summary>
    public void PutCheckpoint(bool whole = false)
    {
        var checkpoint = new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = Checkpoint, NamespaceProperty = "n",
                Uid = "checkpoint-uid", OwnerReferences = [Owners.ControllerReference(Migration)],
            },
            Status = new PodCheckpointStatus { Containers = ["c"] },
        };
        Put(checkpoint);
        if (whole)
        {
            Put(new ContainerCheckpoint
            {
                Metadata = new V1ObjectMeta
                {
                    Name = "part", NamespaceProperty = "n",
                    Uid = "part-uid", OwnerReferences = [Owners.ControllerReference(checkpoint)],
                },
            });
            Put(new ContainerCheckpointContent
            {
                Metadata = new V1ObjectMeta { Name = "ccpc-part-uid" },
                Spec = new ContainerCheckpointContentSpec
                {
                    ContainerCheckpointRef =
                        new ClaimReference { NamespaceProperty = "n", Name = "part", Uid = "part-uid" },
                    Source = new CheckpointSource { ContainerName = "c" },
                    ArtifactURI = "shared://pod-uid/20261121t000000z-000005/c",
                },
                Status = new ContainerCheckpointContentStatus
                {
                    Ready = true, LeftStopped = true, StoppedAt = Time.GetUtcNow().UtcDateTime,
                    CompressedDigest = "sha256:1",
                },
            });
        }
    }

    /// <summary>The target pod, at node b.</summary>
    public void PutTarget(V1PodStatus? status = null) => Put(new V1Pod
    {
        Metadata = new V1ObjectMeta
        {
            Name = "p-m", NamespaceProperty = "n",
            Uid = "target-uid", Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "migration-uid" },
        },
        Spec = new V1PodSpec { NodeName = "b", Containers = [new V1Container { Name = "c" }] },
        Status = status,
    });

    public void Put(IKubernetesObject<V1ObjectMeta> item)
    {
        if (item is V1Pod { Metadata.Uid: { } uid, Spec.NodeName: { } home })
        {
            _homes[uid] = home;
        }

        _objects[(item.GetType(), ObjectKey.Of(item))] =
            With(item, item.Metadata with { ResourceVersion = $"{++_version}" }) ?? item;
    }

    public void Take<T>(string? space, string name) => _objects.Remove((typeof(T), new ObjectKey(space, name)));

    /// <summary>Has the migration come as far as these steps and conditions say.</summary>
    public void HasCome(string[] conditions, params string[] steps) => Put(Migration with
    {
        Status = new PodMigrationStatus
        {
            StartTime = Time.GetUtcNow().UtcDateTime, PodUID = "pod-uid",
            SourceNode = "a", TargetNode = "b", RestoredPodName = "p-m", RestoredPodUID = "target-uid",
            Conditions = conditions.Aggregate(
                (IList<V1Condition>?)null,
                (all, type) => all.With(type, "True", Reasons.Succeeded, "", 1, Time.GetUtcNow().UtcDateTime)),
            Steps = [.. steps.Select(s => new MigrationStep { Name = s, StartedAt = Time.GetUtcNow().UtcDateTime })],
        },
    });

    /// <summary>The agent of a node, whether there is such a node or not.</summary>
    public NodeAgent Agent(string node)
    {
        if (!_agents.TryGetValue(node, out var agent))
        {
            agent = _agents[node] = new NodeAgent(this, node);
            foreach (var (call, answer) in _answers)
            {
                agent.Answer(call, answer);
            }
        }

        return agent;
    }

    /// <summary>The node where a pod is, or was; null where nobody has said.</summary>
    public string? HomeOf(string pod) => _homes.GetValueOrDefault(pod);

    public bool IsReady(string node) =>
        Find<V1Node>(new(null, node)) is { } found && AgentDirectory.IsReady(found);

    /// <summary>Every agent answers so from now on, also to what it has been asked already; what it has no answer for
    /// stays under way.</summary>
    public void Answer<T>(T answer)
        where T : class => AnswerAll(typeof(T), answer);

    /// <summary>Agents answer such calls never, from now on.</summary>
    public void Hang<T>()
    {
        _answers.Remove(typeof(T));
        foreach (var agent in _agents.Values)
        {
            agent.Hang(typeof(T));
        }
    }

    /// <summary>Agents refuse calls with this answer from now on.</summary>
    public void Refuse<T>(AgentException refusal) => AnswerAll(typeof(T), refusal);

    public void Abort() => Put(Migration with { Spec = Migration.Spec with { Abort = true } });

    public V1Condition? Condition(string type) => Status.Conditions.Find(type);

    public Task<ReconcileResult> ReconcileAsync() => _reconciler.ReconcileAsync(Key, CancellationToken.None);

    /// <summary>No test may have had an agent asked for what is on another node.</summary>
    public void Dispose()
    {
        _queue.Dispose();
        Astray.Should().BeEmpty();
    }

    public T? Find<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta> => _objects.GetValueOrDefault((typeof(T), key)) as T;

    public IEnumerable<T> All<T>()
        where T : class, IKubernetesObject<V1ObjectMeta> => _objects.Values.OfType<T>();

    public Task<T?> ReadAsync<T>(ObjectKey key, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Task.FromResult(OnServer.GetValueOrDefault(key) as T ?? Find<T>(key));

    public Task<IReadOnlyList<T>> ListAsync<T>(CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => Task.FromResult<IReadOnlyList<T>>([.. All<T>()]);

    public Task TryCreateAsync(V1Pod pod, CancellationToken cancellationToken) =>
        Refusal is { } refusal ? Task.FromException(refusal) : Task.CompletedTask;

    public Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (Refusal is { } refusal)
        {
            throw refusal;
        }

        if (Find<T>(ObjectKey.Of(item)) is { } there)
        {
            return Task.FromResult(there);
        }

        var made = item is V1Pod { Metadata.Uid: null } pod
            ? (T)(object)(pod with { Metadata = pod.Metadata with { Uid = "target-uid" } })
            : item;
        Put(made);
        return Task.FromResult(Find<T>(ObjectKey.Of(made))!);
    }

    /// <summary>Nobody waits for a pod's kubelet: it is quick.</summary>
    public Task DeleteAsync<T>(T item, long? graceSeconds, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (OnTheServer(item) is { } stored && stored.Metadata.Uid == item.Metadata.Uid)
        {
            Deleted.Add(item.Metadata.Name!);
            if (stored.Metadata.Finalizers is not { Count: > 0 })
            {
                Remove(stored);
            }
            else if (stored.Metadata.DeletionTimestamp is null)
            {
                Write(stored, stored.Metadata with { DeletionTimestamp = Time.GetUtcNow().UtcDateTime });
            }
        }

        return Task.CompletedTask;
    }

    public Task<bool> DeleteVersionAsync<T>(T item, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public Task PatchStatusAsync<T, TStatus>(T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (MergePatch.Between(old, status).Count > 0)
        {
            Write((IKubernetesObject<V1ObjectMeta>)Current(item) switch
            {
                PodMigration migration => migration with { Status = status as PodMigrationStatus },
                PodCheckpoint whole => whole with { Status = status as PodCheckpointStatus },
                ContainerCheckpoint part => part with { Status = status as ContainerCheckpointStatus },
                ContainerCheckpointContent content =>
                    content with { Status = status as ContainerCheckpointContentStatus },
                _ => throw new NotSupportedException(),
            });
        }

        return Task.CompletedTask;
    }

    public Task PatchSpecAsync<T, TSpec>(T item, TSpec old, TSpec spec, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta> => throw new NotSupportedException();

    public Task AnnotateAsync<T>(
        T item, IReadOnlyDictionary<string, string> annotations, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var patch = new JsonObject();
        foreach (var (annotation, value) in annotations)
        {
            patch[annotation] = value;
        }

        Patch(item, new JsonObject { ["annotations"] = patch });
        return Task.CompletedTask;
    }

    public Task PatchMetadataAsync<T>(T item, JsonObject metadata, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        Patch(item, metadata);
        MetadataPatches.Add((item.Metadata.Name!, metadata.ToJsonString()));
        return Task.CompletedTask;
    }

    public Task SetFinalizersAsync<T>(T item, IEnumerable<string> finalizers, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        List<string> all = [.. finalizers];
        var stored = Current(item);
        if (all.Count == 0 && stored is { Metadata.DeletionTimestamp: not null } and not V1Pod)
        {
            Remove(stored);
        }
        else
        {
            Write(stored, stored.Metadata with { Finalizers = all });
        }

        MetadataPatches.Add((item.Metadata.Name!, $"finalizers: {string.Join(' ', all)}"));
        return Task.CompletedTask;
    }

    public void Record(IKubernetesObject<V1ObjectMeta> about, string type, string reason, string message) =>
        Events.Add((type, reason, message));

    ICheckpointAgent? IAgentDirectory.Find(string nodeName) =>
        Find<V1Node>(new(null, nodeName)) is null ? null : Agent(nodeName);

    // One will do where any would: which of several is asked is in AskAnyTests.
    IEnumerable<ICheckpointAgent> IAgentDirectory.Ready() => [Agent(Source)];

    /// <summary>An object with other metadata; null where nobody here writes its kind.</summary>
    private static IKubernetesObject<V1ObjectMeta>? With(
        IKubernetesObject<V1ObjectMeta> item, V1ObjectMeta metadata) => item switch
    {
        PodMigration migration => migration with { Metadata = metadata },
        PodCheckpoint whole => whole with { Metadata = metadata },
        ContainerCheckpoint part => part with { Metadata = metadata },
        PodCheckpointContent content => content with { Metadata = metadata },
        ContainerCheckpointContent content => content with { Metadata = metadata },
        V1Pod pod => pod with { Metadata = metadata },
        _ => null,
    };

    /// <summary>A merge patch (RFC 7386).</summary>
    private static JsonObject Merged(JsonObject item, JsonObject patch)
    {
        foreach (var (name, value) in patch)
        {
            var old = item[name];
            item.Remove(name);
            if (value is not null)
            {
                item[name] = value is JsonObject more ? Merged(old as JsonObject ?? [], more) : value.DeepClone();
            }
        }

        return item;
    }

    private T? OnTheServer<T>(T item)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        OnServer.GetValueOrDefault(ObjectKey.Of(item)) as T ?? Find<T>(ObjectKey.Of(item));

    /// <summary>What the server has, unless it is another version than was read.</summary>
    private T Current<T>(T read)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var overtaking = Overtaking;
        Overtaking = null;
        overtaking?.Invoke();
        return OnTheServer(read) is { } stored
            && stored.Metadata.Uid == read.Metadata.Uid
            && stored.Metadata.ResourceVersion == read.Metadata.ResourceVersion
                ? stored
                : throw new ConflictException($"{ObjectKey.Of(read)} has changed");
    }

    private void Patch<T>(T read, JsonObject metadata)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var stored = Current(read);
        var json = JsonSerializer.SerializeToNode(stored.Metadata, KubernetesJson.Options)!.AsObject();
        Write(stored, Merged(json, metadata).Deserialize<V1ObjectMeta>(KubernetesJson.Options)!);
    }

    private void Write(IKubernetesObject<V1ObjectMeta> stored, V1ObjectMeta metadata) =>
        Write(With(stored, metadata) ?? throw new NotSupportedException());

    /// <summary>Who has written sees it at once.</summary>
    private void Write(IKubernetesObject<V1ObjectMeta> item)
    {
        OnServer.Remove(ObjectKey.Of(item));
        Put(item);
    }

    private void Remove(IKubernetesObject<V1ObjectMeta> item)
    {
        OnServer.Remove(ObjectKey.Of(item));
        _objects.Remove((item.GetType(), ObjectKey.Of(item)));
    }

    private void AnswerAll(Type call, object answer)
    {
        _answers[call] = answer;
        foreach (var agent in _agents.Values)
        {
            agent.Answer(call, answer);
        }
    }

    /// <summary>At once, and on the caller's thread.</summary>
    internal sealed class Inline : TaskScheduler
    {
        protected override IEnumerable<Task> GetScheduledTasks() => [];

        protected override void QueueTask(Task task) => TryExecuteTask(task);

        protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => TryExecuteTask(task);
    }
}
