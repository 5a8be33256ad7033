using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Manager.Nodes;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What is told of each node, and how often it is asked and written.</summary>
internal sealed class CheckpointNodeTests
{
    /// <summary>Longer than from any node's question to its next.</summary>
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(70);

    private NodeWorld _world = null!;

    [SetUp]
    public void Begin() => _world = new NodeWorld();

    [TearDown]
    public void End() => _world.Dispose();

    [Test]
    public async Task A_node_that_lacks_nothing_is_ready_and_its_facts_are_told()
    {
        await _world.ReconcileAsync();

        var told = _world.Told("a")!;
        told.Metadata.OwnerReferences.Should().ContainSingle().Which.Should().Match<V1OwnerReference>(
            o => o.Kind == "Node" && o.Name == "a" && o.ApiVersion == "v1");
        told.Status.Should().BeEquivalentTo(
            new CheckpointNodeStatus
            {
                AgentVersion = Metering.Version,
                RuntimeVersion = "crun 1.28", CriuVersion = "4.2.1", KernelVersion = "6.12.4", Architecture = "amd64",
                CpuVendor = "AuthenticAMD", StoreID = "one-volume",
                StoreFreeBytes = 980_000_000_000, StagingFreeBytes = 55_000_000_000, ArchiveFreeBytes = 990,
            },
            facts => facts.Excluding(s => s.Conditions));
        _world.Ready("a").Should().Match<V1Condition>(c => c.Status == "True"
            && c.Reason == Reasons.Succeeded
            && c.Message == "pods can be moved away from this node, and to it");
        _world.Events.Should().ContainSingle().Which.Reason.Should().Be(ConditionTypes.Ready);
    }

    [Test]
    public async Task Its_agent_is_asked_nothing_that_leaves_a_trace()
    {
        await _world.ReconcileAsync();

        _world.Asked.Should().ContainSingle().Which.Should().Be(("a", new GetCapabilitiesRequest()));
    }

    [TestCaseSource(nameof(Lacks))]
    public async Task What_it_lacks_is_told_as_a_migration_would_be_told(
        Action<GetCapabilitiesResponse> lacks, string fails)
    {
        ArgumentNullException.ThrowIfNull(lacks);
        var answer = NodeWorld.Capabilities("a", lacks);
        _world.Answers["a"] = () => answer;

        await _world.ReconcileAsync();

        var refused = NodeObstacles.OfSource(new V1Pod(), TcpPolicies.Close, answer)
            .Concat(NodeObstacles.OfTarget(new V1Pod(), source: null, answer)).ToList();
        refused.Should().NotBeEmpty();
        _world.WhyNot("a").Should().Be(
            $"False {Reasons.NodeNotCapable}: {fails}: {string.Join("; ", refused.Select(r => r.Message).Distinct())}");
    }

    [TestCase("not ready", "node a is not ready; see kubectl describe node a")]
    [TestCase("no handler", "the runtime of node a has no handler checkpoint-restore (it has runc)")]
    public async Task What_its_Node_shows_keeps_pods_from_coming_too(string how, string why)
    {
        var node = MigrationWorld.Node("a", ready: how == "not ready" ? "Unknown" : "True");
        _world.Put(how == "no handler" ? node with
        {
            Status = node.Status! with { RuntimeHandlers = [new V1NodeRuntimeHandler { Name = "runc" }] },
        } : node);

        await _world.ReconcileAsync();

        _world.WhyNot("a")
            .Should().StartWith($"False {Reasons.NodeNotCapable}: no pod can be moved to this node: {why}");
    }

    [Test]
    public async Task A_cordoned_node_is_ready_for_its_pods_can_leave()
    {
        var node = MigrationWorld.Node("a");
        _world.Put(node with { Spec = node.Spec! with { Unschedulable = true } });

        await _world.ReconcileAsync();

        _world.WhyNot("a").Should().BeEmpty();
    }

    [Test]
    public async Task An_agent_of_another_version_that_speaks_the_same_protocol_is_told_and_hinders_nothing()
    {
        _world.Answers["a"] = () => NodeWorld.Capabilities("a", n => n.AgentVersion = "0.0.1");

        await _world.ReconcileAsync();

        _world.Ready("a").Status.Should().Be("True");
        _world.Ready("a").Message
            .Should().EndWith($"; its agent is of version 0.0.1, the operator of {Metering.Version}");
    }

    [Test]
    public async Task A_node_whose_agent_falls_silent_is_unknown_until_it_answers_again()
    {
        await _world.ReconcileAsync();
        _world.Answers["a"] =
            () => throw new AgentException(Reasons.AgentUnavailable, "Connection refused", isTerminal: false);
        await _world.GoOnAsync(Round);

        _world.WhyNot("a")
            .Should().Be("Unknown AgentUnavailable: the node's agent does not answer: Connection refused");
        _world.Told("a")!.Status!.CriuVersion.Should().Be("4.2.1", "what it has said stands");

        _world.Answers["a"] = () => NodeWorld.Capabilities("a");
        await _world.GoOnAsync(Round);
        _world.WhyNot("a").Should().BeEmpty();
        _world.Events.Select(e => e.Reason)
            .Should().Equal(ConditionTypes.Ready, Reasons.AgentUnavailable, ConditionTypes.Ready);
    }

    [Test]
    public async Task A_node_that_never_had_an_answer_is_told_too()
    {
        _world.Answers["a"] =
            () => throw new AgentException(Reasons.AgentUnavailable, "Connection refused", isTerminal: false);
        var node = MigrationWorld.Node("b");
        _world.Put(node with { Status = node.Status! with { Addresses = [] } });

        await _world.ReconcileAsync();
        await _world.ReconcileAsync("b");

        _world.WhyNot("a").Should().StartWith("Unknown AgentUnavailable: ");
        _world.WhyNot("b").Should().Be(
            "Unknown AgentUnavailable: the node's agent does not answer: node b does not exist or has no address");
        _world.Told("a")!.Status!.AgentVersion.Should().BeNull();
    }

    [Test]
    public async Task A_volume_that_does_not_answer_is_what_the_node_lacks()
    {
        _world.Answers["a"] = () => throw new AgentException(
            Reasons.StoreUnavailable, "the volume at /store of node a refuses", isTerminal: false);

        await _world.ReconcileAsync();

        _world.WhyNot("a").Should().Be("False StoreUnavailable: the volume at /store of node a refuses");
    }

    [Test]
    public async Task A_silent_agent_holds_nobody_up_and_what_was_told_stands_meanwhile()
    {
        await _world.ReconcileAsync();
        _world.Answers.Remove("a");
        var writes = _world.Writes;

        _world.Time.Advance(Round);
        _world.ReconcileAsync().IsCompletedSuccessfully.Should().BeTrue("no worker waits for an answer");
        await _world.ReconcileAsync();

        _world.Asked.Should().HaveCount(2, "a question that is under way is not put again");
        _world.Writes.Should().Be(writes);
    }

    [Test]
    public async Task A_node_without_an_agents_pod_is_not_asked_where_others_have_one()
    {
        _world.Put(MigrationWorld.Node("b"));
        _world.Put(NodeWorld.AgentPod("b"));

        await _world.ReconcileAsync();

        _world.Asked.Should().BeEmpty();
        _world.WhyNot("a").Should().StartWith(
            "False AgentMissing: no agent's pod (app.kubernetes.io/name=checkpoint-agent) is on this node");

        _world.Put(NodeWorld.AgentPod("a"));
        await _world.ReconcileAsync();
        _world.WhyNot("a").Should().BeEmpty("its agent has come");
    }

    [TestCase("shop", "DaemonSet")]
    [TestCase("s", null)]
    [TestCase("s", "ReplicaSet")]
    public async Task A_pod_that_only_bears_the_agents_label_has_no_node_lack_an_agent(string home, string? owner)
    {
        _world.Put(NodeWorld.AgentPod("b", home: home, owner: owner));

        await _world.ReconcileAsync();

        _world.WhyNot("a").Should().BeEmpty("agents run otherwise, and this node's has answered");
    }

    [Test]
    public async Task Such_a_pod_stands_for_no_agent_where_others_have_one()
    {
        _world.Put(MigrationWorld.Node("b"));
        _world.Put(NodeWorld.AgentPod("b"));
        _world.Put(NodeWorld.AgentPod("a", home: "shop"));

        await _world.ReconcileAsync();

        _world.WhyNot("a").Should().StartWith("False AgentMissing: ");
    }

    [TestCaseSource(nameof(Changes))]
    public async Task It_is_asked_again_when_what_matters_has_changed_and_not_before(
        IKubernetesObject<V1ObjectMeta> change, bool asks)
    {
        _world.Put(NodeWorld.AgentPod("a", ready: "False"));
        await _world.ReconcileAsync();
        _world.Put(change);

        var result = await _world.ReconcileAsync();

        _world.Asked.Should().HaveCount(asks ? 2 : 1);
        result.RequeueAfter.Should().BePositive().And.BeLessThan(Round);
    }

    [Test]
    public async Task What_has_changed_since_it_was_asked_has_it_asked_anew()
    {
        _world.Put(NodeWorld.AgentPod("a", ready: "False"));
        _world.Answers.Remove("a");
        await _world.ReconcileAsync();
        _world.Put(NodeWorld.AgentPod("a"));
        _world.Answers["a"] = () => NodeWorld.Capabilities("a");
        _world.Late.SetResult(NodeWorld.Capabilities("a", n => n.CriuVersion = ""));

        (await _world.ReconcileAsync()).RequeueAfter.Should().Be(TimeSpan.Zero, "nobody else wakes it");
        await _world.ReconcileAsync();

        _world.Asked.Should().HaveCount(2);
        _world.WhyNot("a").Should().BeEmpty();
    }

    [Test]
    public async Task It_is_asked_again_when_its_time_has_come()
    {
        var rest = (await _world.ReconcileAsync()).RequeueAfter!.Value;

        await _world.GoOnAsync(rest - TimeSpan.FromSeconds(1));
        _world.Asked.Should().HaveCount(1);
        await _world.GoOnAsync(TimeSpan.FromSeconds(1));
        _world.Asked.Should().HaveCount(2);
    }

    [Test]
    public async Task Many_rounds_write_nothing_where_nothing_but_noise_has_changed()
    {
        var random = new Random(7);
        _world.Answers["a"] = () => NodeWorld.Capabilities("a", n =>
        {
            n.StoreFreeBytes = (ulong)(n.StoreFreeBytes * (0.97 + (random.NextDouble() * 0.06)));
            n.StagingFreeBytes = (ulong)(n.StagingFreeBytes * (0.97 + (random.NextDouble() * 0.06)));
        });

        for (var round = 0; round < 1000; round++)
        {
            await _world.GoOnAsync(Round);
        }

        _world.Asked.Should().HaveCount(1000);
        _world.Writes.Should().Be(2, "it was created, and told once");
        _world.Events.Should().HaveCount(1);
    }

    [Test]
    public async Task A_node_that_stays_silent_is_written_once()
    {
        _world.Answers["a"] =
            () => throw new AgentException(Reasons.AgentUnavailable, "Connection refused", isTerminal: false);

        for (var round = 0; round < 100; round++)
        {
            await _world.GoOnAsync(Round);
        }

        _world.Writes.Should().Be(2);
    }

    [TestCase(null, 0ul, 0)]
    [TestCase(null, 99ul, 99)]
    [TestCase(null, 12_345_678ul, 12_000_000)]
    [TestCase(null, ulong.MaxValue, 9_200_000_000_000_000_000)]
    [TestCase(12_000_000, 12_999_999ul, 12_000_000)]
    [TestCase(12_000_000, 13_300_000ul, 13_000_000)]
    [TestCase(12_000_000, 0ul, 0)]
    [TestCase(0, 1ul, 1)]
    public void A_size_is_told_with_two_digits_and_anew_when_it_is_off_by_more_than_a_tenth(
        long? before, ulong bytes, long told) =>
        NodeReport.About(before, bytes).Should().Be(told);

    [TestCase("x x y", "c")]
    [TestCase("x x x", "")]
    [TestCase("x y", "a b")]
    [TestCase("x x y y", "a b c d")]
    public async Task Who_sees_another_volume_than_most_others_is_told(string volumes, string odd)
    {
        var nodes = volumes.Split(' ').Select((volume, i) => (Name: $"{(char)('a' + i)}", volume)).ToList();
        foreach (var (name, volume) in nodes)
        {
            _world.Put(MigrationWorld.Node(name));
            _world.Answers[name] = () => NodeWorld.Capabilities(name, n => n.StoreId = volume);
        }

        for (var round = 0; round < 2; round++)
        {
            foreach (var (name, _) in nodes)
            {
                await _world.GoOnAsync(Round, name);
            }
        }

        nodes.Where(n => _world.WhyNot(n.Name).StartsWith(
                $"False StoreNotShared: no pod can be moved away from this node, or to it: nodes {n.Name} and ",
                StringComparison.Ordinal))
            .Select(n => n.Name).Should().Equal(odd.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        nodes.Count(n => _world.WhyNot(n.Name).Length == 0).Should().Be(nodes.Count - odd.Count(char.IsLetter));
    }

    [TestCase(Reasons.AgentMissing)]
    [TestCase(Reasons.StoreUnavailable)]
    [TestCase(Reasons.AgentUnavailable)]
    public async Task Nodes_that_answer_no_more_make_no_other_node_odd(string reason)
    {
        foreach (var name in new[] { "b", "c" })
        {
            _world.Put(MigrationWorld.Node(name));
            _world.Answers[name] = () => NodeWorld.Capabilities(name, n => n.StoreId = "of-before");
            await _world.ReconcileAsync(name);
        }

        await _world.ReconcileAsync();
        _world.WhyNot("a").Should().StartWith("False StoreNotShared: ");

        if (reason == Reasons.AgentMissing)
        {
            _world.Put(NodeWorld.AgentPod("a"));
        }

        foreach (var name in new[] { "b", "c" })
        {
            _world.Answers[name] = () => throw new AgentException(reason, "no more", isTerminal: false);
            await _world.GoOnAsync(Round, name);
            _world.Ready(name).Reason.Should().Be(reason);
            _world.Told(name)!.Status!.StoreID.Should().Be("of-before", "what it has said stands");
        }

        await _world.GoOnAsync(Round);
        _world.WhyNot("a").Should().BeEmpty();
    }

    [Test]
    public async Task A_node_that_is_gone_is_neither_asked_nor_told()
    {
        await _world.ReconcileAsync();
        _world.Take<V1Node>("a");
        _world.Take<CheckpointNode>("a");

        await _world.GoOnAsync(Round);

        _world.Told("a").Should().BeNull();
        _world.Asked.Should().HaveCount(1);
    }

    [Test]
    public async Task An_object_that_somebody_has_deleted_is_made_anew_at_once()
    {
        await _world.ReconcileAsync();
        _world.Take<CheckpointNode>("a");

        await _world.ReconcileAsync();

        _world.WhyNot("a").Should().BeEmpty();
    }

    [Test]
    public async Task A_write_that_came_too_late_is_made_again_with_the_same_answer()
    {
        _world.IsOvertaken = true;

        await _world.Invoking(w => w.ReconcileAsync()).Should().ThrowAsync<ConflictException>();
        await _world.ReconcileAsync();

        _world.WhyNot("a").Should().BeEmpty();
        _world.Asked.Should().HaveCount(1);
        _world.Events.Should().HaveCount(1);
    }

    [Test]
    public void Nodes_and_agents_wake_it_and_no_other_pods()
    {
        var heard = new Heard();

        Triggers.OfNodes(heard);

        heard.Wakes(MigrationWorld.Node("a")).Should().Equal(new ObjectKey(null, "a"));
        heard.Wakes(NodeWorld.AgentPod("b")).Should().Equal(new ObjectKey(null, "b"));
        heard.Wakes(NodeWorld.AgentPod("b", label: "web")).Should().BeEmpty();
        heard.Wakes(NodeWorld.AgentPod("b") with { Spec = new V1PodSpec() }).Should().BeEmpty("it is on no node yet");
    }

    private static IEnumerable<TestCaseData> Lacks()
    {
        yield return Case(
            "kubelet",
            n => (n.KubeletCheckpoint, n.KubeletMessage) = (false, "the feature gate is off"),
            "no pod can be moved away from this node");
        yield return Case("handler", n => n.RestoreHandler = false, "no pod can be moved to this node");
        yield return Case("criu", n => n.CriuVersion = "", "no pod can be moved away from this node, or to it");
        yield return Case("old criu", n => n.CriuVersion = "3.16", "no pod can be moved away from this node, or to it");
        yield return Case("hook", n => n.FenceHook = false, "no pod can be moved away from this node, or to it");
        yield return Case("protocol", n => n.ProtocolVersion = 7, "no pod can be moved away from this node, or to it");
        yield return Case(
            "crun", n => n.RuntimeMessage = "crun is built without CRIU",
            "no pod can be moved away from this node, or to it");
        yield return Case(
            "two",
            n => (n.KubeletCheckpoint, n.RestoreHandler) = (false, false),
            "no pod can be moved away from this node, or to it");

        static TestCaseData Case(string name, Action<GetCapabilitiesResponse> lacks, string fails) =>
            new TestCaseData(lacks, fails).SetArgDisplayNames(name);
    }

    private static IEnumerable<TestCaseData> Changes()
    {
        var node = MigrationWorld.Node("a");
        var alive = node with
        {
            Metadata = node.Metadata with
            {
                ResourceVersion = "2",
                Annotations = new Dictionary<string, string> { ["more"] = "said" },
            },
            Status = node.Status! with { Conditions = [.. node.Status!.Conditions!.Select(
                c => c with { LastHeartbeatTime = DateTime.UnixEpoch.AddMinutes(5) })] },
        };
        yield return Case("a kubelet that lives", alive, false);
        yield return Case("its address", node with { Status = node.Status! with
        {
            Addresses = [new V1NodeAddress { Type = "InternalIP", Address = "192.0.2.2" }],
        } }, true);
        yield return Case("its readiness", MigrationWorld.Node("a", ready: "False"), true);
        yield return Case("a namesake", node with { Metadata = node.Metadata with { Uid = "another" } }, true);
        yield return Case("its runtime", node with { Status = node.Status! with
        {
            RuntimeHandlers = [new V1NodeRuntimeHandler { Name = "checkpoint-restore" }],
        } }, true);
        yield return Case("its agent is ready", NodeWorld.AgentPod("a"), true);
        yield return Case("another node's agent", NodeWorld.AgentPod("b"), false);

        static TestCaseData Case(string name, IKubernetesObject<V1ObjectMeta> change, bool asks) =>
            new TestCaseData(change, asks).SetArgDisplayNames(name);
    }

    private sealed class Heard : ITriggers
    {
        private readonly List<(Type Kind, Func<object, IEnumerable<ObjectKey>> Wakes)> _all = [];

        public ITriggers Watch<T>(Func<T, ICluster, IEnumerable<ObjectKey>> map)
            where T : class, IKubernetesObject<V1ObjectMeta>
        {
            _all.Add((typeof(T), item => map((T)item, null!)));
            return this;
        }

        public IEnumerable<ObjectKey> Wakes(object item) =>
            _all.Where(one => one.Kind == item.GetType()).SelectMany(one => one.Wakes(item));
    }
}
