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

/// <summary>The first step of a migration, with the agents of three nodes: what is asked of them,
/// and which node is chosen.</summary>
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

        Run(
            "web", "a",
            """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}],"volumes":[{"name":"v","emptyDir":{}}]}""");
    }

    [Test]
    public async Task The_target_is_asked_for_what_the_source_has_just_written()
    {
        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = "c" });

        status.Conditions.Find(ConditionTypes.Validated)!.Status.Should().Be("True");
        status.TargetNode.Should().Be("c");
        _asked.Select(a => a.Node).Should().Equal("a", "c");
        _asked[0].Request
            .Should().Be(new GetCapabilitiesRequest { PodUid = "uid-web", VolumeNames = { "v" }, LeaveMark = true });
        _asked[1].Request.Should().Be(new GetCapabilitiesRequest { FindMark = "left on a" });
    }

    [TestCase(false, "False")]
    [TestCase(true, "True")]
    public async Task A_pod_that_is_still_being_brought_here_is_not_moved_on(bool ended, string validated)
    {
        var pod = _cluster.Find<V1Pod>(new ObjectKey("ns", "web"))!;
        _cluster.Remove<V1Pod>(ObjectKey.Of(pod));
        _cluster.Add(
            pod with { Metadata = pod.Metadata with
            {
                Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "uid-before" },
            } });
        _cluster.Add(new PodMigration
        {
            Metadata = new V1ObjectMeta { Name = "before", NamespaceProperty = "ns", Uid = "uid-before" },
            Spec = new PodMigrationSpec { PodName = "old" },
            Status = new PodMigrationStatus { CompletionTime = ended ? DateTime.UnixEpoch : null },
        });

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = "c" });

        (status.Conditions.Find(ConditionTypes.Validated)?.Status ?? "False").Should().Be(validated);
        var ready = status.Conditions.Find(ConditionTypes.Ready);
        (ready is { Reason: Reasons.MigrationInProgress } && ready.Message.Contains("by PodMigration before"))
            .Should().Be(!ended);
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

    [TestCase(null, "c")]
    [TestCase("b", null)]
    public async Task A_node_whose_runtime_lacks_the_handler_is_not_even_asked(string? wanted, string? chosen)
    {
        _cluster.Remove<V1Node>(new ObjectKey(null, "b"));
        _cluster.Add(KubernetesJson.Deserialize<V1Node>(
            """{"metadata":{"name":"b"},"status":{"conditions":[{"type":"Ready","status":"True"}],"runtimeHandlers":[{"name":""},{"name":"crun"}]}}"""));

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = wanted });

        status.TargetNode.Should().Be(chosen);
        if (chosen is null)
        {
            status.Conditions.Find(ConditionTypes.Ready)!.Message
                .Should().StartWith("the runtime of node b has no handler checkpoint-restore");
        }
        else
        {
            _asked.Select(a => a.Node).Should().Equal("a", "c");
        }
    }

    [TestCase("{}", null, "c")]
    [TestCase("null", null, "c")]
    [TestCase("""{"matchLabels":{"team":"x"}}""", null, "c")]
    [TestCase("""{"matchLabels":{"team":"x"}}""", "b", "b")]
    public async Task A_node_that_the_pods_anti_affinity_forbids_is_not_chosen(
        string namespaces, string? wanted, string target)
    {
        const string Shy =
            "{\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"labelSelector\":{},\"topologyKey\":\"kubernetes.io/hostname\",\"namespaceSelector\":@}]}},\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}";
        _cluster.Remove<V1Pod>(new ObjectKey("ns", "web"));
        Run("web", "a", Shy.Replace("@", namespaces, StringComparison.Ordinal));
        Run("other", "b", "{\"containers\":[{\"name\":\"c\"}]}");

        (await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = wanted })).TargetNode
            .Should().Be(target);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task When_no_node_can_it_is_told_of_each(bool dry)
    {
        _answers["b"] = request => new GetCapabilitiesResponse(Answer("b", request)) { MarkFound = false };
        _answers["c"] = request => new GetCapabilitiesResponse(Answer("c", request)) { KernelVersion = "5.4.0" };

        var ready =
            (await ValidateAsync(new PodMigrationSpec { PodName = "web", DryRun = dry ? true : null })).Conditions
                .Find(ConditionTypes.Ready)!;

        ready.Status.Should().Be("False");
        ready.Message.Should().Contain("StoreNotShared: node b does not find").And.Contain(
            "KernelTooOld: node c has kernel 5.4.0");
    }

    [Test]
    public async Task A_dry_run_tells_all_at_once_also_of_an_agent_that_does_not_answer()
    {
        _answers["b"] = _ => throw new AgentException(
            Reasons.AgentUnavailable, "the agent at node b does not answer", isTerminal: false);
        _answers["a"] = request => new GetCapabilitiesResponse(Answer("a", request))
        {
            Pod = new PodExamination { Obstacles = { "process 7 uses io_uring" }, MemoryBytes = 2 },
        };
        Run("other", "b", """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1500m"}}}]}""");

        var status = await ValidateAsync(
            new PodMigrationSpec { PodName = "web", TargetNode = "b", PodUID = "another", DryRun = true });

        status.Outcome.Should().Be(Outcomes.WouldFail);
        status.Conditions.Find(ConditionTypes.Validated)!.Reason.Should().Be(Reasons.SourcePodReplaced);
        foreach (var reason in new[] { Reasons.InsufficientResources,
            Reasons.AgentUnavailable, Reasons.ProcessNotMigratable, Reasons.NotEnoughSpace })
        {
            status.Message.Should().Contain(reason + ": ");
        }
    }

    [Test]
    public async Task A_dry_run_that_would_succeed_says_in_its_status_from_where_to_where()
    {
        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", DryRun = true });

        (status.Outcome, status.SourceNode, status.TargetNode).Should().Be((Outcomes.WouldMigrate, "a", "b"));
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
        Run(
            "probed", "a",
            """{"containers":[{"name":"c","livenessProbe":{"periodSeconds":4,"failureThreshold":5}}]}""");

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "probed", TargetNode = "b" });

        status.Conditions.Find(ConditionTypes.Validated)!.Message
            .Should().EndWith("its liveness probes let it stand still for 16 s");
        status.MaxFreezeSeconds.Should().Be(16);
    }

    [TestCase(64UL, false)]
    [TestCase(65UL, true)]
    public async Task More_memory_than_can_be_moved_while_a_probe_waits_is_refused_by_the_probes_name(
        ulong gibibytes, bool refused)
    {
        Run(
            "probed", "a",
            """{"containers":[{"name":"c","livenessProbe":{"periodSeconds":4,"failureThreshold":5}}]}""");
        _answers["a"] = request => new GetCapabilitiesResponse(Answer("a", request))
        {
            Pod = new PodExamination { MemoryBytes = gibibytes << 30 }, StoreFreeBytes = 1UL << 40,
        };
        _answers["b"] = request => new GetCapabilitiesResponse(Answer("b", request)) { StagingFreeBytes = 1UL << 40 };

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "probed", TargetNode = "b" });

        status.Conditions.IsTrue(ConditionTypes.Validated).Should().Be(!refused);
        if (refused)
        {
            status.Conditions.Find(ConditionTypes.Ready)!
                .Should().Match<V1Condition>(c => c.Reason == Reasons.FreezeTooShort
                && c.Message!.Contains(
                    "livenessProbe of container \"c\" (failureThreshold 5, periodSeconds 4) lets pod probed stand "
                        + "still for 16 s"));
        }
    }

    [Test]
    public async Task A_node_whose_agent_is_silent_is_passed_over_after_some_tries_and_named()
    {
        _answers["b"] =
            _ => throw new AgentException(Reasons.AgentUnavailable, "connection refused", isTerminal: false);

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web" });

        status.TargetNode.Should().Be("c");
        status.Conditions.Find(ConditionTypes.Validated)!.Message.Should().Be(
            "pod web can move from a to c; the agent of node b does not answer: connection refused");
        _asked.Count(a => a.Node == "b").Should().Be(SilentAgents.MostTries);
    }

    [Test]
    public async Task An_agent_that_answers_the_second_time_is_not_passed_over()
    {
        var tries = 0;
        _answers["b"] = request => ++tries == 1
            ? throw new AgentException(Reasons.AgentUnavailable, "connection refused", isTerminal: false)
            : Answer("b", request);

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web" });

        status.TargetNode.Should().Be("b");
        status.Conditions.Find(ConditionTypes.Validated)!.Message.Should().Be("pod web can move from a to b");
    }

    [Test]
    public async Task When_none_but_silent_ones_are_left_they_are_asked_again_and_all_is_told_meanwhile()
    {
        var (tries, told) = (0, "");
        _answers["c"] = request => new GetCapabilitiesResponse(Answer("c", request)) { RestoreHandler = false };
        _answers["b"] = request =>
        {
            told = _cluster.Find<PodMigration>(Key)!.Status?.Conditions.Find(ConditionTypes.Stalled)?.Message ?? "";
            return ++tries < 7
                ? throw new AgentException(Reasons.AgentUnavailable, "connection refused", isTerminal: false)
                : Answer("b", request);
        };

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web" });

        status.TargetNode.Should().Be("b");
        told.Should().Be(
            "NodeNotCapable: node c has no restore handler; install the agent's files; AgentUnavailable: the agent "
                + "of node b does not answer: connection refused");
    }

    [Test]
    public async Task A_dry_run_asks_each_node_once_and_tells_of_the_silent_ones()
    {
        foreach (var node in new[] { "b", "c" })
        {
            _answers[node] =
                _ => throw new AgentException(Reasons.AgentUnavailable, "connection refused", isTerminal: false);
        }

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", DryRun = true });

        status.Outcome.Should().Be(Outcomes.WouldFail);
        status.Message.Should().Be(
            "the agent of node b does not answer: connection refused; the agent of node c does not answer: "
                + "connection refused");
        _asked.Select(a => a.Node).Should().Equal("a", "b", "c");
    }

    [Test]
    public async Task Each_silent_agent_is_told_of_under_its_own_word()
    {
        _answers["b"] = _ => throw Silent;
        _answers["c"] = _ => throw new AgentException(
            Reasons.AgentFailed, "the agent of node c failed: no", isTerminal: false);

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", DryRun = true });

        status.Conditions.Find(ConditionTypes.Ready)!.Reason.Should().Be(Reasons.AgentUnavailable);
        status.Message.Should().Be(
            "AgentUnavailable: the agent of node b does not answer: connection refused; "
            + "AgentFailed: the agent of node c failed: no");
    }

    [TestCase("b", "c")]
    [TestCase("c", "b")]
    public async Task An_agent_that_may_come_back_is_waited_for_whatever_another_one_has_said(
        string silent, string foreign)
    {
        var (tries, told) = (0, default(V1Condition));
        _answers[foreign] = _ => throw new AgentException(
            Reasons.AgentFailed, "speaks another language", isTerminal: true);
        _answers[silent] = request =>
        {
            told = _cluster.Find<PodMigration>(Key)!.Status?.Conditions.Find(ConditionTypes.Stalled);
            return ++tries <= SilentAgents.MostTries + 1
                ? throw Silent
                : Answer(silent, request);
        };

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web" });

        status.TargetNode.Should().Be(silent);
        told!.Reason.Should().Be(Reasons.AgentUnavailable, "that is what is waited for");
        told.Message.Should().Contain("AgentFailed: speaks another language")
            .And.Contain($"AgentUnavailable: the agent of node {silent} does not answer: connection refused");
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Where_the_pods_own_agent_is_silent_that_is_told_and_no_node_looked_for_that_would_do(bool named)
    {
        _answers["a"] = _ => throw Silent;
        _answers["b"] = request => new GetCapabilitiesResponse(Answer("b", request)) { RestoreHandler = false };

        var status = await ValidateAsync(
            new PodMigrationSpec { PodName = "web", TargetNode = named ? "b" : null, DryRun = true });

        status.Message.Should().Be(named
            ? "AgentUnavailable: connection refused; "
                + "NodeNotCapable: node b has no restore handler; install the agent's files"
            : "connection refused");
    }

    [Test]
    public async Task A_claim_that_one_node_at_a_time_can_have_is_refused_before_an_agent_is_asked()
    {
        Claim("ReadWriteOnce");

        var status = await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = "b" });

        status.Conditions.Find(ConditionTypes.Ready)!
            .Should().Match<V1Condition>(c => c.Status == "False" && c.Reason == Reasons.VolumeNotShared
            && c.Message!.Contains("\"data\" mounts claim c, whose volume pv has accessModes ReadWriteOnce"));
        status.Conditions.Find(ConditionTypes.Validated).Should().BeNull();
    }

    [Test]
    public async Task Of_two_nodes_that_which_reaches_the_volume_is_chosen()
    {
        Claim("ReadWriteMany", "c");

        (await ValidateAsync(new PodMigrationSpec { PodName = "web" })).TargetNode.Should().Be("c");

        _asked.Select(a => a.Node).Should().Equal("a", "c");
    }

    [TestCase("b", "which node b does not meet")]
    [TestCase(null, "which node c does not meet")]
    public async Task A_node_that_does_not_reach_the_volume_is_refused(string? node, string why)
    {
        Claim("ReadWriteMany", "a");

        (await ValidateAsync(new PodMigrationSpec { PodName = "web", TargetNode = node })).Conditions
            .Find(ConditionTypes.Ready)!
            .Should().Match<V1Condition>(
                c => c.Status == "False" && c.Reason == Reasons.VolumeNotReachable && c.Message!.Contains(why));
    }

    private static AgentException Silent => new(Reasons.AgentUnavailable, "connection refused", isTerminal: false);

    private void Claim(string mode, string? node = null)
    {
        _cluster.Remove<V1Pod>(new ObjectKey("ns", "web"));
        Run(
            "web",
            "a",
            """{"containers":[{"name":"c"}],"volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"c"}}]}""");
        _cluster.Add(KubernetesJson.Deserialize<V1PersistentVolumeClaim>(
            """{"metadata":{"name":"c","namespace":"ns"},"spec":{"volumeName":"pv"},"status":{"phase":"Bound"}}"""));
        var affinity = node is null
            ? ""
            : $$$$""","nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["{{{{node}}}}"]}]}]}}""";
        _cluster.Add(KubernetesJson.Deserialize<V1PersistentVolume>(
            $$$$"""{"metadata":{"name":"pv"},"spec":{"accessModes":["{{{{mode}}}}"]{{{{affinity}}}}}}"""));
    }

    private static GetCapabilitiesResponse Answer(string node, GetCapabilitiesRequest request) => new()
    {
        NodeName = node, ProtocolVersion = 1, KubeletCheckpoint = true,
        FenceHook = true, RestoreHandler = true, StoreId = "s", CriuVersion = "4.2", KernelVersion = "6.12.1",
        StoreFreeBytes = 1, StagingFreeBytes = 9, StoreMark = request.LeaveMark
            ? "left on " + node
            : "", MarkFound = request.FindMark == "left on a",
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
            Metadata = new V1ObjectMeta
            {
                Name = Key.Name,
                NamespaceProperty = Key.Namespace,
                Uid = "0b1c2d3e-uid",
                CreationTimestamp = DateTime.UnixEpoch,
                Finalizers = [WellKnown.MigrationFinalizer],
            },
            Spec = spec,
        });
        using var queue = new WorkQueue(TimeProvider.System);
        var reconciler = new PodMigrationReconciler(
            _cluster, new Directory(this), new LostNodes(_cluster, TimeProvider.System),
            new PendingCalls(TaskScheduler.Default, new SoleLeader(), CancellationToken.None),
            new MigrationSlots(_cluster, Options.Create(new OperatorOptions())), new Silence(), queue,
            TimeProvider.System);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            try
            {
                await reconciler.ReconcileAsync(Key, limit.Token);
            }
            catch (AgentException)
            {
                // As the controller does, but for its back-off.
                queue.Add(Key);
            }

            if (_cluster.Find<PodMigration>(Key)!.Status is { } status
                && (status.Conditions.IsTrue(ConditionTypes.Validated)
                    || status.Conditions.Find(ConditionTypes.Ready)?.Status == "False"))
            {
                return status;
            }

            queue.Done(await queue.GetAsync(limit.Token));
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
