using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Generate;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What the answers of two agents show to stand in the way of a migration.</summary>
public sealed class NodeObstaclesTests
{
    private const ulong Mebi = 1 << 20;

    private static readonly V1Pod Pod = new() { Metadata = new V1ObjectMeta { Name = "web" } };

    [Test]
    public void Two_nodes_that_are_alike_have_none() => Of(Node("a"), Node("b")).Should().BeEmpty();

    [Test]
    public void All_that_two_nodes_lack_is_said_at_once_each_with_its_word() =>
        Of(
            Node("a", n => (n.KubeletCheckpoint, n.CriuVersion) = (false, "4.3")),
            Node("b", n =>
            {
                (n.FenceHook, n.RestoreHandler, n.StoreId, n.Architecture, n.Runtime, n.ProtocolVersion) =
                    (false, false, "other", "arm64", "runc", 2);
                (n.KernelVersion, n.CriuVersion, n.CpuVendor) = ("6.11.0", "4.2", "GenuineIntel");
            })).Select(o => o.Reason).Should().Equal(
            Reasons.NodeNotCapable, Reasons.NodeNotCapable, Reasons.NodeNotCapable, Reasons.NodeNotCapable,
            Reasons.NodeNotCapable,
            Reasons.StoreNotShared, Reasons.CpuNotCompatible, Reasons.CpuNotCompatible, Reasons.KernelTooOld,
            Reasons.CriuTooOld);

    [Test]
    public void An_agent_of_another_release_is_refused_also_where_both_are()
    {
        static void Older(GetCapabilitiesResponse n) => n.ProtocolVersion = 7;

        Of(Node("a", Older), Node("b", Older)).Should().HaveCount(2).And.OnlyContain(o =>
            o.Reason == Reasons.NodeNotCapable
            && o.Message.Contains("version 7", StringComparison.Ordinal)
            && o.Message.Contains("operator"));
        Of(Node("a", Older), Node("b")).Should().ContainSingle().Which.Message.Should().Contain("node a");
        NodeObstacles.OfTarget(Pod, source: null, Node("b", Older)).Should().ContainSingle()
            .Which.Message.Should().Contain("node b");
    }

    [Test]
    public void A_volume_with_the_same_identity_is_a_copy_where_what_was_just_written_is_not_found() =>
        Of(Node("a"), Node("b", n => n.MarkFound = false)).Should().ContainSingle()
            .Which.Should().Match<Obstacle>(o =>
                o.Reason == Reasons.StoreNotShared
                && o.Message.Contains("node b does not find what node a has just written", StringComparison.Ordinal));

    [Test]
    public void An_agent_that_leaves_no_mark_is_taken_at_its_volumes_word() =>
        Of(Node("a", n => n.StoreMark = ""), Node("b", n => n.MarkFound = false)).Should().BeEmpty();

    [Test]
    public void Beside_a_source_that_gave_no_answer_a_target_is_told_of_by_itself()
    {
        NodeObstacles.OfTarget(Pod, source: null, Node("b")).Should().BeEmpty();
        NodeObstacles.OfTarget(Pod, source: null, Node("b", n => n.CriuVersion = "")).Should().ContainSingle();
    }

    [Test]
    public void A_fence_hook_that_does_not_run_is_told_with_what_to_do() =>
        Of(Node("a", n => n.FenceHook = false), Node("b", n => n.FenceHook = false)).Select(o => o.Message).Should()
            .Contain(m => m.StartsWith("node a's runtime", StringComparison.Ordinal)
                && m.Contains("hooks_dir")
                && m.Contains("base_runtime_spec"))
            .And.Contain(m => m.StartsWith("node b's runtime", StringComparison.Ordinal));

    [Test]
    public void A_crun_that_cannot_checkpoint_is_told_of_either_node() =>
        Of(Node("a", n => n.RuntimeMessage = "crun 1.14 is built without CRIU"), Node(
            "b", n => n.RuntimeMessage = "crun is not there"))
            .Should().Equal(
            new NodeLack(NodeRoles.Both, Reasons.NodeNotCapable, "node a: crun 1.14 is built without CRIU"),
            new NodeLack(NodeRoles.Both, Reasons.NodeNotCapable, "node b: crun is not there"));

    [TestCase("3.16", "CRIU 3.16")]
    [TestCase("4.1.1", "CRIU 4.1.1")]
    [TestCase("", "no CRIU")]
    public void A_CRIU_that_is_too_old_is_told_of_either_node_with_what_is_needed(string version, string found)
    {
        var messages = Of(Node("a", n => n.CriuVersion = version), Node("b", n => n.CriuVersion = version)).ToList();

        messages.Select(m => m.Reason).Should().Equal(Reasons.NodeNotCapable, Reasons.NodeNotCapable);
        messages[0].Message.Should().Be(
            $"node a has {found}; install 4.2 or newer, and its libcriu, which crun loads and whose version no agent "
            + "sees (config/crio, config/containerd), and restart the node's agent");
        messages[1].Message.Should().StartWith($"node b has {found};");
    }

    [TestCase("4.2")]
    [TestCase("4.2.1")]
    [TestCase("5.0")]
    public void A_CRIU_that_is_new_enough_is_not(string version) =>
        Of(Node("a", n => n.CriuVersion = version), Node("b", n => n.CriuVersion = version)).Should().BeEmpty();

    [TestCase("1.25.1", true)]
    [TestCase("1.9", true)]
    [TestCase("1.26", false)]
    [TestCase("1.28.0.0.12-5f3a", false)]
    [TestCase("2.0", false)]
    [TestCase("", false, Description = "the agent says what is wrong with it")]
    public void A_crun_that_gives_CRIU_no_options_is_told_of_either_node(string version, bool refused)
    {
        var found = Of(Node("a", n => n.RuntimeVersion = version), Node("b", n => n.RuntimeVersion = version));

        found.Select(o => (o.Reason, o.Message)).Should().Equal(refused ? [Old("a"), Old("b")] : []);

        (string, string) Old(string node) => (
            Reasons.NodeNotCapable,
            $"node {node} has crun {version}, which hands CRIU no file of options: pods run on after a dump, "
            + "and copies run before they may; install 1.26 or newer (config/crio, config/containerd), "
            + "and restart the node's agent");
    }

    [Test]
    public void The_machines_of_the_Vagrantfile_have_what_is_asked_for()
    {
        var versions = File.ReadAllLines(
            Path.Combine(Repository.Root(AppContext.BaseDirectory), "config/vagrant/versions.sh"));

        versions.Should().Contain($"criu=v{NodeObstacles.LeastCriu}");
        var crun = versions.Single(l => l.StartsWith("crun=", StringComparison.Ordinal))["crun=".Length..];
        Versions.IsOlder(crun, NodeObstacles.LeastCrun, parts: 2).Should().BeFalse();
    }

    [TestCase("", true)]
    [TestCase("crun checkpoint-restore", true)]
    [TestCase("crun runc", false)]
    public void A_runtime_that_tells_its_handlers_must_have_ours(string handlers, bool fits)
    {
        string[] names = handlers.Length == 0 ? [] : ["", .. handlers.Split(' ')];
        var node = KubernetesJson.Deserialize<V1Node>(
            $$$"""{"metadata":{"name":"b"},"status":{"runtimeHandlers":[{{{string.Join(",", names.Select(n => $"{{\"name\":\"{n}\"}}"))}}}]}}""");

        var found = NodeObstacles.OfRuntime(node).ToList();

        found.Select(f => f.Reason).Should().Equal(fits ? [] : [Reasons.NodeNotCapable]);
        string.Concat(found.Select(f => f.Message)).Should().StartWith(
            fits
                ? ""
                : "the runtime of node b has no handler checkpoint-restore (it has crun, runc); configure it, and "
                    + "restart the runtime");
        NodeObstacles.OfRuntime(new V1Node { Metadata = new V1ObjectMeta { Name = "b" } })
            .Should().BeEmpty("kubelets before 1.31 do not tell");
    }

    [TestCase("avx512f", "avx512f")]
    [TestCase("amx_tile xsaves", "amx_tile xsaves")]
    [TestCase("erms smep fsrm", "")]
    [TestCase("aes rep_good sha_ni", "aes sha_ni")]
    public void Instructions_that_a_program_may_have_found_must_be_at_the_target(string more, string missing)
    {
        var found = Of(Node("a", n => n.CpuFeatures.AddRange(more.Split(' '))), Node("b")).ToList();

        found.Select(f => f.Message).Should().Equal(
            missing.Length == 0 ? [] : [$"the processor of node b lacks what that of node a has: {missing}"]);
        Of(Node("a"), Node("b", n => n.CpuFeatures.AddRange(more.Split(' '))))
            .Should().BeEmpty("more at the target does no harm");
    }

    [TestCase("6.18.44-fc-v669", "6.18.2", false)]
    [TestCase("5.14.0-427.el9.x86_64", "6.1.0", true)]
    [TestCase("6.9", "6.12.1", true)]
    [TestCase("6.12.1", "6.9", false)]
    [TestCase("", "6.9", false)]
    [TestCase("custom", "6.9", false)]
    [TestCase("4", "4.0.2", false)]
    public void Versions_are_compared_by_their_numbers(string version, string than, bool older) =>
        Versions.IsOlder(version, than, parts: 2).Should().Be(older);

    [Test]
    public void What_the_pods_node_shows_is_told_with_figures()
    {
        var source = Node("a", n =>
        {
            n.Pod = new PodExamination
            {
                MemoryBytes = 300 * Mebi,
                VolumeBytes = 200 * Mebi,
                ConnectedSockets = 2,
                Obstacles = { "process 7 uses io_uring" },
            };
            (n.StoreFreeBytes, n.ArchiveFreeBytes, n.DumpRoomBytes) = (400 * Mebi, 700 * Mebi, 299 * Mebi);
        });

        var found = OfPod(TcpPolicies.Reject, source, Node("b", n => n.StagingFreeBytes = 100 * Mebi)).ToList();

        found.Select(f => f.Reason).Should().Equal(
            Reasons.ProcessNotMigratable, Reasons.EstablishedTcpConnections, Reasons.NotEnoughSpace,
            Reasons.NotEnoughSpace, Reasons.NotEnoughSpace);
        found[2].Message.Should().Be(
            "a checkpoint of pod web takes up to 500 MiB (memory 300 MiB, volumes 200 MiB), and the checkpoint "
                + "volume has 400 MiB free");
        found[3].Message.Should()
            .Contain("node a room for a dump of 299 MiB, which the runtime and kubelet both write");
        found[4].Message.Should().Contain("takes 300 MiB, and node b has 100 MiB free where it is staged");
    }

    [Test]
    public void A_pod_that_fits_has_nothing_against_it()
    {
        var seen = new PodExamination { MemoryBytes = 300 * Mebi, VolumeBytes = 200 * Mebi, ConnectedSockets = 2 };
        var source = Node("a", n => (n.Pod, n.StoreFreeBytes, n.DumpRoomBytes) = (seen, 500 * Mebi, 300 * Mebi));

        OfPod(TcpPolicies.Close, source, Node("b", n => n.StagingFreeBytes = 300 * Mebi)).Should().BeEmpty();
        OfPod(TcpPolicies.Close, Node("a"), Node("b")).Should().BeEmpty("an older agent does not look");
    }

    [Test]
    public void Of_an_older_agent_the_room_for_archives_is_taken()
    {
        var seen = new PodExamination { MemoryBytes = 300 * Mebi };

        OfPod(TcpPolicies.Close, Node("a", n => (n.Pod, n.StoreFreeBytes, n.ArchiveFreeBytes) =
            (seen, 500 * Mebi, 299 * Mebi)), Node("b", n => n.StagingFreeBytes = 300 * Mebi))
            .Should().ContainSingle().Which.Reason.Should().Be(Reasons.NotEnoughSpace);
    }

    [TestCase(900, 900, false)]
    [TestCase(900, 963, false)]
    [TestCase(900, 964, true)]
    [TestCase(0, 0, true)]
    public void A_volume_in_memory_must_fit_on_the_targets_disk_on_its_way(int largest, int free, bool fits)
    {
        var seen = new PodExamination { VolumeBytes = 3000 * Mebi, LargestMemoryVolumeBytes = (ulong)largest * Mebi };
        var source = Node("a", n => (n.Pod, n.StoreFreeBytes) = (seen, 5000 * Mebi));

        var found = OfPod(TcpPolicies.Close, source, Node("b", n => n.StagingFreeBytes = (ulong)free * Mebi)).ToList();

        found.Select(f => f.Reason).Should().Equal(fits ? [] : [Reasons.NotEnoughSpace]);
        if (!fits)
        {
            found[0].Message.Should().StartWith("a volume in memory of pod web holds 900 MiB")
                .And.Contain("with 64 MiB to spare").And.Contain($"and node b has {free} MiB free where");
        }
    }

    private static IEnumerable<Obstacle> Of(GetCapabilitiesResponse source, GetCapabilitiesResponse target) =>
        OfPod(TcpPolicies.Close, source, target);

    private static IEnumerable<Obstacle> OfPod(
        string tcpPolicy, GetCapabilitiesResponse source, GetCapabilitiesResponse target) =>
        NodeObstacles.OfSource(Pod, tcpPolicy, source).Concat(NodeObstacles.OfTarget(Pod, source, target));

    private static GetCapabilitiesResponse Node(string name, Action<GetCapabilitiesResponse>? change = null)
    {
        var node = new GetCapabilitiesResponse
        {
            NodeName = name, KubeletCheckpoint = true,
            FenceHook = true, RestoreHandler = true, StoreId = "s", StoreMark = "m", MarkFound = true,
            Architecture = "amd64",
            Runtime = "crun", CriuVersion = "4.2.1", KernelVersion = "6.12.4", ProtocolVersion = 1,
            CpuVendor = "AuthenticAMD", CpuFeatures = { "fpu", "sse2", "avx2", "xsave" },
        };
        change?.Invoke(node);
        return node;
    }
}
