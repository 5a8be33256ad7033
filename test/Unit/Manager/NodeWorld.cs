using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Manager.Nodes;
using PodCheckpointing.Runtime;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Nodes, their agents, and a server that refuses what was read before somebody else wrote.</summary>
internal sealed class NodeWorld : UnaskedCluster, IAgentDirectory, IEventRecorder, IDisposable
{
    private readonly Dictionary<(Type, ObjectKey), IKubernetesObject<V1ObjectMeta>> _objects = [];
    private readonly WorkQueue _queue;
    private readonly CheckpointNodeReconciler _reconciler;
    private int _version;

    public NodeWorld()
    {
        _queue = new WorkQueue(Time);
        _reconciler = new CheckpointNodeReconciler(
            this, this, new PendingCalls(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None), this,
            Options.Create(new OperatorOptions()), new Home("s"), _queue, Time);
        Put(MigrationWorld.Node("a"));
    }

    public HandTime Time { get; } = new();

    /// <summary>What the agent of a node says, by its name: without one its answer is <see cref="Late"/>.</summary>
    public Dictionary<string, Func<GetCapabilitiesResponse>> Answers { get; } =
        new() { ["a"] = () => Capabilities("a") };

    /// <summary>An answer that has not come yet.</summary>
    public TaskCompletionSource<GetCapabilitiesResponse> Late { get; } = new();

    /// <summary>What agents were asked, and of which node.</summary>
    public List<(string Node, GetCapabilitiesRequest Question)> Asked { get; } = [];

    public List<(string Reason, string Message)> Events { get; } = [];

    /// <summary>How often something was created or changed.</summary>
    public int Writes { get; private set; }

    /// <summary>Whether somebody writes between the next read and the write that follows it.</summary>
    public bool IsOvertaken { get; set; }

    public CheckpointNode? Told(string node) => Find<CheckpointNode>(new ObjectKey(null, node));

    public V1Condition Ready(string node) => Told(node)!.Status!.Conditions.Find(ConditionTypes.Ready)!;

    /// <summary>The reason and the message of a node that is not ready, or nothing.</summary>
    public string WhyNot(string node) =>
        Ready(node) is { Status: not "True" } ready ? $"{ready.Status} {ready.Reason}: {ready.Message}" : "";

    public static GetCapabilitiesResponse Capabilities(string node, Action<GetCapabilitiesResponse>? change = null)
    {
        var answer = new GetCapabilitiesResponse
        {
            NodeName = node, ProtocolVersion = 1,
            AgentVersion = Metering.Version, KubeletCheckpoint = true, FenceHook = true, RestoreHandler = true,
            StoreId = "one-volume", Architecture = "amd64", CpuVendor = "AuthenticAMD",
            Runtime = "crun", RuntimeVersion = "1.28", CriuVersion = "4.2.1", KernelVersion = "6.12.4",
            StoreFreeBytes = 987_654_321_000, StagingFreeBytes = 55_555_555_555, ArchiveFreeBytes = 999,
        };
        change?.Invoke(answer);
        return answer;
    }

    /// <summary>The pod of an agent.</summary>
    public static V1Pod AgentPod(
        string node,
        string ready = "True",
        string label = "checkpoint-agent",
        string home = "s",
        string? owner = "DaemonSet") => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = $"agent-{node}", NamespaceProperty = home,
            Uid = $"agent-{node}-uid", Labels = new Dictionary<string, string> { ["app.kubernetes.io/name"] = label },
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
        Spec = new V1PodSpec { NodeName = node },
        Status = new V1PodStatus { Conditions = [new V1PodCondition { Type = "Ready", Status = ready }] },
    };

    public Task<ReconcileResult> ReconcileAsync(string node = "a") =>
        _reconciler.ReconcileAsync(new ObjectKey(null, node), CancellationToken.None);

    /// <summary>As often as a time that is over leads to.</summary>
    public async Task GoOnAsync(TimeSpan time, string node = "a")
    {
        Time.Advance(time);
        await ReconcileAsync(node);
    }

    public void Put(IKubernetesObject<V1ObjectMeta> item)
    {
        item = item is CheckpointNode told
            ? told with { Metadata = told.Metadata with { ResourceVersion = $"{++_version}" } }
            : item;
        _objects[(item.GetType(), ObjectKey.Of(item))] = item;
    }

    public void Take<T>(string name) => _objects.Remove((typeof(T), new ObjectKey(null, name)));

    public override T? Find<T>(ObjectKey key)
        where T : class => _objects.GetValueOrDefault((typeof(T), key)) as T;

    public override IEnumerable<T> All<T>() => [.. _objects.Values.OfType<T>()];

    public override Task<T> CreateOrGetAsync<T>(T item, CancellationToken cancellationToken)
    {
        Writes++;
        Put(item);
        return Task.FromResult(Find<T>(ObjectKey.Of(item))!);
    }

    public override Task PatchStatusAsync<T, TStatus>(
        T item, TStatus? old, TStatus status, CancellationToken cancellationToken)
        where TStatus : default
    {
        if (MergePatch.Between(old, status).Count == 0)
        {
            return Task.CompletedTask;
        }

        if (IsOvertaken)
        {
            IsOvertaken = false;
            Put(Find<T>(ObjectKey.Of(item))!);
        }

        var stored = Find<CheckpointNode>(ObjectKey.Of(item));
        if (stored?.Metadata.ResourceVersion != item.Metadata.ResourceVersion)
        {
            throw new ConflictException("the object has changed");
        }

        Writes++;
        Put(stored! with { Status = status as CheckpointNodeStatus });
        return Task.CompletedTask;
    }

    public void Record(IKubernetesObject<V1ObjectMeta> about, string type, string reason, string message) =>
        Events.Add((reason, message));

    public ICheckpointAgent? Find(string nodeName) =>
        Find<V1Node>(new ObjectKey(null, nodeName)) is { } node
            && AgentDirectory.AddressOf(node) is not null ? new Agent(nodeName, this) : null;

    public IEnumerable<ICheckpointAgent> Ready() => throw new NotSupportedException();

    public void Dispose() => _queue.Dispose();

    private sealed class Agent(string node, NodeWorld world) : UnaskedAgent(node)
    {
        public override Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
            GetCapabilitiesRequest request, CancellationToken cancellationToken)
        {
            world.Asked.Add((NodeName, request));
            return world.Answers.TryGetValue(NodeName, out var answer) ? AnswerAsync(answer) : world.Late.Task;
        }

        /// <summary>Its failures are the task's.</summary>
        private static async Task<GetCapabilitiesResponse> AnswerAsync(Func<GetCapabilitiesResponse> answer)
        {
            await Task.CompletedTask;
            return answer();
        }
    }
}
