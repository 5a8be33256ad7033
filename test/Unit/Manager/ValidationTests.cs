using System.Reflection;
using FluentAssertions;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>The first step of a migration, with the agents of three nodes: what is asked of them, and which node is chosen.</summary>
public sealed class ValidationTests
{
    private static readonly ObjectKey Key = new("ns", "m");

    private readonly Dictionary<string, Func<GetCapabilitiesRequest, GetCapabilitiesResponse>> _answers = [];
    private readonly List<(string Node, GetCapabilitiesRequest Request)> _asked = [];
    private MigrationSlotsTests.Objects _cluster = null!;

    [SetUp]
    public void Begin()
    {
        _cluster = new MigrationSlotsTests.Objects();
        _answers.Clear();
        _asked.Clear();
        foreach (var node in new[] { "a", "b", "c" })
        {
            _cluster.Add(KubernetesJson.Deserialize<V1Node>(
                $$$$"""{"metadata":{"name":"{{{{node}}}}"},"status":{"conditions":[{"type":"Ready","status":"True"}],"allocatable":{"cpu":"2","pods":"9"}}}"""));
            _answers[node] = request => Answer(node, request);
        }

        Run("web", "a", """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}],"volumes":[{"name":"v","emptyDir":{}}]}""");
    }

    [Test]
    public async Task The_target_is_asked_for_what_the_source_has_just_written()
    {
        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = "c" });

        status.Conditions.Find(ConditionTypes.Validated)!.Status.Should().Be("True");
        status.TargetNode.Should().Be("c");
        _asked.Select(a => a.Node).Should().Equal("a", "c");
        _asked[0].Request.Should().Be(new GetCapabilitiesRequest { PodUid = "uid-web", VolumeNames = { "v" }, LeaveMark = true });
        _asked[1].Request.Should().Be(new GetCapabilitiesRequest { FindMark = "left on a" });
    }

    [Test]
    public async Task A_node_that_cannot_restore_the_pod_is_passed_over()
    {
        _answers["b"] = request => new GetCapabilitiesResponse(Answer("b", request)) { RestoreHandler = false };

        (await ValidateAsync(new PodMigrationSpec { PodName = "web" })).TargetNode.Should().Be("c");

        _asked.Select(a => a.Node).Should().Equal("a", "b", "c");
    }

    [Test]
    public async Task A_node_without_room_is_not_even_asked()
    {
        Run("other", "b", """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1500m"}}}]}""");

        (await ValidateAsync(new PodMigrationSpec { PodName = "web" })).TargetNode.Should().Be("c");

        _asked.Select(a => a.Node).Should().Equal("a", "c");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task When_no_node_can_it_is_told_of_each(bool dry)
    {
        _answers["b"] = request => new GetCapabilitiesResponse(Answer("b", request)) { MarkFound = false };
        _answers["c"] = request => new GetCapabilitiesResponse(Answer("c", request)) { KernelVersion = "5.4.0" };

        var ready = (await ValidateAsync(new PodMigrationSpec { PodName = "web", DryRun = dry ? true : null })).Conditions.Find(ConditionTypes.Ready)!;

        ready.Status.Should().Be("False");
        ready.Message.Should().Contain("StoreNotShared: node b does not find").And.Contain("KernelTooOld: node c has kernel 5.4.0");
    }

    [Test]
    public async Task A_dry_run_tells_all_at_once_also_of_an_agent_that_does_not_answer()
    {
        _answers["b"] = _ => throw new AgentException(Reasons.AgentUnavailable, "the agent at node b does not answer", isTerminal: false);
        _answers["a"] = request => new GetCapabilitiesResponse(Answer("a", request))
        {
            Pod = new PodExamination { Obstacles = { "process 7 uses io_uring" }, MemoryBytes = 2 },
        };
        Run("other", "b", """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1500m"}}}]}""");

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = "b", PodUID = "another", DryRun = true });

        status.Outcome.Should().Be(Outcomes.WouldFail);
        status.Conditions.Find(ConditionTypes.Validated)!.Reason.Should().Be(Reasons.SourcePodReplaced);
        foreach (var reason in new[] { Reasons.InsufficientResources, Reasons.AgentUnavailable, Reasons.ProcessNotMigratable, Reasons.NotEnoughSpace })
        {
            status.Message.Should().Contain(reason + ": ");
        }
    }

    [Test]
    public async Task Of_a_node_that_does_not_exist_nothing_is_asked()
    {
        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = "x", DryRun = true });

        status.Message.Should().Be("node x does not exist; see kubectl get nodes");
        _asked.Should().BeEmpty();
    }

    [Test]
    public async Task How_long_the_probes_let_it_stand_still_is_told()
    {
        Run("probed", "a", """{"containers":[{"name":"c","livenessProbe":{"periodSeconds":4,"failureThreshold":5}}]}""");

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "probed", TargetNode = "b" });

        status.Conditions.Find(ConditionTypes.Validated)!.Message.Should().EndWith("its liveness probes let it stand still for 16 s");
    }

    private static GetCapabilitiesResponse Answer(string node, GetCapabilitiesRequest request) => new()
    {
        NodeName = node, KubeletCheckpoint = true, FenceHook = true, RestoreHandler = true, StoreId = "s", CriuVersion = "4.2", KernelVersion = "6.12.1",
        StoreFreeBytes = 1, StagingFreeBytes = 9, StoreMark = request.LeaveMark ? "left on " + node : "", MarkFound = request.FindMark == "left on a",
    };

    private void Run(string name, string node, string spec)
    {
        var pod = KubernetesJson.Deserialize<V1Pod>(
            $$$$"""
            {"metadata":{"name":"{{{{name}}}}","namespace":"ns","uid":"uid-{{{{name}}}}"},"spec":{{{{spec}}}},
             "status":{"phase":"Running","containerStatuses":[{"name":"c","state":{"running":{}}}]}}
            """);
        _cluster.Add(pod with { Spec = pod.Spec with { NodeName = node } });
    }

    private async Task<PodMigrationStatus> ValidateAsync(PodMigrationSpec spec)
    {
        _cluster.Add(new PodMigration
        {
            Metadata = new V1ObjectMeta { Name = Key.Name, NamespaceProperty = Key.Namespace, Uid = "0b1c2d3e-uid", CreationTimestamp = DateTime.UnixEpoch, Finalizers = [WellKnown.MigrationFinalizer] },
            Spec = spec,
        });
        using var queue = new WorkQueue(TimeProvider.System);
        var reconciler = new PodMigrationReconciler(
            _cluster, new Directory(this), new LostNodes(_cluster, TimeProvider.System), new PendingCalls(TaskScheduler.Default, CancellationToken.None),
            new MigrationSlots(_cluster, Options.Create(new OperatorOptions())), new Silence(), queue, TimeProvider.System);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            await reconciler.ReconcileAsync(Key, limit.Token);
            if (_cluster.Find<PodMigration>(Key)!.Status is { } status
                && (status.Conditions.IsTrue(ConditionTypes.Validated) || status.Conditions.Find(ConditionTypes.Ready)?.Status == "False"))
            {
                return status;
            }

            queue.Done(await queue.TakeAsync(limit.Token));
        }
    }

    private sealed class Silence : IEventRecorder
    {
        public void Record(IKubernetesObject<V1ObjectMeta> about, string type, string reason, string message)
        {
        }
    }

    private sealed class Directory(ValidationTests test) : IAgentDirectory
    {
        public ICheckpointAgent? Find(string nodeName)
        {
            var agent = DispatchProxy.Create<ICheckpointAgent, Agent>();
            ((Agent)(object)agent).Answer = request =>
            {
                lock (test._asked)
                {
                    test._asked.Add((nodeName, request));
                }

                return test._answers[nodeName](request);
            };
            return agent;
        }

        public IEnumerable<ICheckpointAgent> Ready() => [];
    }

    /// <summary>An agent that knows one call.</summary>
    public class Agent : DispatchProxy
    {
        public Func<GetCapabilitiesRequest, GetCapabilitiesResponse> Answer { get; set; } = null!;

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
            targetMethod!.Name == nameof(ICheckpointAgent.GetCapabilitiesAsync)
                ? Task.FromResult(Answer((GetCapabilitiesRequest)args![0]!))
                : throw new NotSupportedException(targetMethod.Name);
    }
}
