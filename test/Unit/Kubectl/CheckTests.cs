using System.Text.Json;
using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Checks;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Kubectl;

/// <summary>What the plug-in says beforehand is what the operator says afterwards.</summary>
internal sealed class CheckTests
{
    [TestCaseSource(nameof(Pods))]
    public void Says_of_a_pod_what_the_operator_will_say(V1Pod pod) =>
        PodCheck.Of(pod).Any(finding => finding.Verdict == Verdict.No).Should().Be(PodObstacles.Of(pod).Any());

    [TestCaseSource(nameof(Specs))]
    public void Says_of_a_specification_what_the_operator_will_say(PodMigrationSpec spec) =>
        SpecCheck.Of(spec, Pod()).Any(finding => finding.Verdict == Verdict.No)
            .Should().Be(MigrationObstacles.Of(spec, Pod()).Any());

    [Test]
    public void Compares_two_nodes()
    {
        var findings = NodeCheck.Pair(Node(
            "node-a", "amd64", "cri-o://1.36.1"), Node("node-b", "arm64", "cri-o://1.35.0", kernel: "6.11.9")).ToList();

        findings.Select(finding => (finding.Subject, finding.Verdict)).Should().Equal(
            ("architecture", Verdict.No), ("container runtime", Verdict.Ok), ("kernel", Verdict.No));
        NodeCheck.Pair(Node("node-a", "amd64", ""), Node("node-b", "amd64", "", kernel: "6.13.0"))
            .Should().OnlyContain(finding => finding.Verdict == Verdict.Ok);
        NodeCheck.Pair(Node("node-a", "amd64", ""), Node("node-a", "amd64", ""))
            .Should().ContainSingle(finding => finding.Verdict == Verdict.No);
    }

    [Test]
    public void Says_of_a_node_what_the_scheduler_would_say()
    {
        var pod = Pod() with { Spec = Pod().Spec with { More = Json("nodeSelector", """{"disk":"fast"}""") } };

        var findings = NodeCheck.Fit("target node", pod, Node(
            "node-b", "amd64", "", cordoned: true), [Pod()], null, isChosen: false).ToList();

        findings.Should().HaveCount(2).And.OnlyContain(finding => finding.Verdict == Verdict.No);
        findings[0].Message.Should().Contain("cordoned");
        findings[1].Message.Should().Contain("disk=fast");
        var node = Node("node-b", "amd64", "");
        NodeCheck.Fit("target node", Pod(), node, [Pod()], NodeCheck.Placement(Pod(), [Pod()], [node]), isChosen: false)
            .Single().Verdict
            .Should().Be(Verdict.Ok);
        NodeCheck.Fit("target node", Pod(), node, [Pod()], NodeCheck.Placement(Pod(), [Pod()], null), isChosen: false)
            .Single().Verdict
            .Should().Be(Verdict.Unknown);
        NodeCheck.Fit("target node", Pod(), node, null, NodeCheck.Placement(Pod(), null, [node]), isChosen: false)
            .Single().Verdict
            .Should().Be(Verdict.Unknown);
    }

    [TestCase("podAntiAffinity", "node-b", "its required anti-affinity keeps it away from pod shop/other", Verdict.No)]
    [TestCase("podAntiAffinity", "node-c", "takes the pod", Verdict.Ok)]
    [TestCase("podAffinity", "node-b", "takes the pod", Verdict.Ok)]
    [TestCase(
        "podAffinity", "node-c", "no pod that its required affinity asks for is in the node's kubernetes.io/hostname",
        Verdict.No)]
    public void Says_of_other_pods_what_the_scheduler_would_say(string kind, string where, string what, Verdict verdict)
    {
        var pod = Pod() with
        {
            Spec = Pod().Spec with
            {
                More = Json(
                    "affinity",
                    """{"KIND":{"requiredDuringSchedulingIgnoredDuringExecution":[{"labelSelector":{"matchLabels":{"app":"db"}},"topologyKey":"kubernetes.io/hostname"}]}}"""
                    .Replace("KIND", kind, StringComparison.Ordinal)),
            },
        };
        var other = Pod() with
        {
            Metadata = Pod().Metadata with
            {
                Name = "other",
                Uid = "u2",
                Labels = new Dictionary<string, string> { ["app"] = "db" },
            },
            Spec = Pod().Spec with { NodeName = "node-b" },
        };
        V1Node[] nodes = [Node("node-a", "", ""), Node("node-b", "", ""), Node("node-c", "", "")];
        var node = nodes.Single(n => n.Metadata.Name == where);

        var named = NodeCheck.Fit("target node", pod, node, [pod, other], NodeCheck.Placement(
            pod, [pod, other], nodes), isChosen: false).Single();
        var chosen = NodeCheck.Choice(pod, [], [nodes[0], node], [pod, other]).Single();

        named.Verdict.Should().Be(verdict);
        named.Message.Should().Contain(what);
        chosen.Verdict.Should().Be(verdict);
    }

    [Test]
    public void Says_of_a_runtime_without_the_handler_what_the_operator_will_say()
    {
        var node = Node("node-b", "amd64", "");
        node = node with { Status = node.Status! with
        {
            RuntimeHandlers = [new V1NodeRuntimeHandler { Name = "" }, new V1NodeRuntimeHandler { Name = "kata" }],
        } };

        NodeCheck.Fit("target node", Pod(), node, [], NodeCheck.Placement(Pod(), [], [node]), isChosen: false)
            .Single().Message
            .Should().Be(NodeObstacles.OfRuntime(node).Single().Message);
    }

    [Test]
    public void Says_which_nodes_the_operator_chooses_among()
    {
        var pod = Pod() with { Spec = Pod().Spec with { More = Json("nodeSelector", """{"disk":"fast"}""") } };
        V1Node[] nodes = [Node("node-a", "", ""), Node("node-b", "", ""), Node("node-c", "", "", cordoned: true)];

        NodeCheck.Choice(Pod(), [], nodes, []).Single().Message.Should().EndWith("the operator chooses node-b");
        NodeCheck.Choice(pod, [], nodes, []).Single().Message
            .Should().Contain("node-b does not have the label disk=fast");
        NodeCheck.Choice(Pod(), [], [nodes[0], nodes[2]], []).Single().Message
            .Should().StartWith("no other node is ready");
    }

    [Test]
    public void Shows_a_Service_that_does_not_lead_to_the_pod()
    {
        ServiceCheck.Of(null, "web", Pod()).Verdict.Should().Be(Verdict.No);
        var service =
            new V1Service
            {
                Spec = new V1ServiceSpec { Selector = new Dictionary<string, string> { ["app"] = "web" } },
            };
        ServiceCheck.Of(service, "web", Pod()).Message.Should().Contain("app=web");
        var labelled =
            Pod() with { Metadata = Pod().Metadata with
            {
                Labels = new Dictionary<string, string> { ["app"] = "web" },
            } };
        ServiceCheck.Of(service, "web", labelled).Verdict.Should().Be(Verdict.Ok);
    }

    [Test]
    public void Tells_the_operators_words_apart()
    {
        static IEnumerable<(string, string)> Of(string reason, string message) => OperatorCheck.Of(new PodMigration
        {
            Status = new PodMigrationStatus
            {
                Outcome = Outcomes.WouldFail,
                Conditions = [new V1Condition { Type = "Ready", Status = "False", Reason = reason, Message = message }],
            },
        }).Select(finding => (finding.Subject, finding.Message));

        Of("KernelTooOld", "a is old; Note: b").Should().Equal(("KernelTooOld", "a is old; Note: b"));
        var both = Obstacle.Tell(
            [new("PodNotMigratable", "x; y"), new("KernelTooOld", "z"), new("PodNotMigratable", "w")]);
        Of("PodNotMigratable", both).Should().Equal(("PodNotMigratable", "x; y; w"), ("KernelTooOld", "z"));
    }

    [TestCase(null, Verdict.Unknown)]
    [TestCase("", Verdict.Unknown)]
    [TestCase("node-b", Verdict.No)]
    [TestCase("node-a", Verdict.Ok)]
    [TestCase("node-a broken", Verdict.No)]
    [TestCase("node-b foreign", Verdict.Unknown)]
    public void Finds_the_agent_of_a_node(string? where, Verdict verdict)
    {
        var agent = Pod() with
        {
            Metadata = Pod().Metadata with
            {
                Labels = new Dictionary<string, string> { ["app.kubernetes.io/name"] = "checkpoint-agent" },
                OwnerReferences = where?.EndsWith("foreign", StringComparison.Ordinal) == true
                    ? null
                    : [new V1OwnerReference { Kind = "DaemonSet", Controller = true }],
            },
            Spec = Pod().Spec with { NodeName = where?.Split(' ')[0] },
            Status = new V1PodStatus { Conditions =
            [
                new V1PodCondition { Type = "Ready", Status = where?.Contains(' ') == true ? "False" : "True" },
            ] },
        };

        NodeCheck.Agent("node-a", where is null ? null : where.Length == 0 ? [] : [agent]).Verdict.Should().Be(verdict);
    }

    private static IEnumerable<TestCaseData> Pods()
    {
        var (pod, spec) = (Pod(), Pod().Spec);
        yield return Case("plain", pod);
        yield return Case("pending", pod with { Status = pod.Status! with { Phase = "Pending" } });
        yield return Case(
            "leaving", pod with { Metadata = pod.Metadata with { DeletionTimestamp = DateTime.UnixEpoch } });
        yield return Case("restarting", pod with { Status = pod.Status! with
        {
            ContainerStatuses = [new V1ContainerStatus { Name = "main", State = new() { Waiting = new() } }],
        } });
        yield return Case(
            "emptyDir", pod with { Spec = spec with { Volumes = [new V1Volume { Name = "v", EmptyDir = new() }] } });
        yield return Case(
            "tmpfs", pod with
            {
                Spec = spec with { Volumes = [new V1Volume { Name = "v", EmptyDir = new() { Medium = "Memory" } }] },
            });
        yield return Case(
            "hostPath",
            pod with { Spec = spec with
            {
                Volumes = [new V1Volume { Name = "v", HostPath = new() { Path = "/tmp" } }],
            } });
        yield return Case(
            "configMap",
            pod with { Spec = spec with { Volumes = [new V1Volume { Name = "v", More = Json("configMap", "{}") }] } });
        yield return Case(
            "shared processes", pod with { Spec = spec with { More = Json("shareProcessNamespace", "true") } });
        yield return Case(
            "sidecar",
            pod with { Spec = spec with
            {
                InitContainers = [new V1Container { Name = "s", RestartPolicy = "Always" }],
            } });
        yield return Case(
            "init container", pod with { Spec = spec with { InitContainers = [new V1Container { Name = "s" }] } });
        yield return Case("owned", pod with { Metadata = pod.Metadata with
        {
            OwnerReferences = [new V1OwnerReference { Kind = "ReplicaSet", Name = "r", Controller = true }],
        } });
        yield return Case("host network", pod with { Spec = spec with { HostNetwork = true } });
        yield return Case("host processes", pod with { Spec = spec with { HostPID = true } });
        yield return Case(
            "terminal", pod with { Spec = spec with { Containers = [spec.Containers[0] with { Tty = true }] } });
    }

    private static IEnumerable<PodMigrationSpec> Specs() =>
    [
        new() { PodName = "web" },
        .. new[] { TcpPolicies.Close, TcpPolicies.Established, TcpPolicies.Reject }.Select(
            policy => new PodMigrationSpec { TcpPolicy = policy }),
        .. new[] { OnFailurePolicies.Rollback, OnFailurePolicies.ColdStart, OnFailurePolicies.Leave }.Select(
            policy => new PodMigrationSpec { OnFailure = policy }),
        new() { ServiceName = "web" },
    ];

    private static TestCaseData Case(string name, V1Pod pod) => new TestCaseData(pod).SetArgDisplayNames(name);

    private static Dictionary<string, JsonElement> Json(
        string key, string value) => new() { [key] = JsonDocument.Parse(value).RootElement };

    private static V1Pod Pod() => new()
    {
        Metadata = new V1ObjectMeta { Name = "web", NamespaceProperty = "shop" },
        Spec = new V1PodSpec { NodeName = "node-a", Containers = [new V1Container { Name = "main" }] },
        Status = new V1PodStatus
        {
            Phase = "Running",
            ContainerStatuses = [new V1ContainerStatus
            {
                Name = "main",
                State = new V1ContainerState { Running = new V1ContainerStateRunning() },
            }],
        },
    };

    private static V1Node Node(
        string name, string architecture, string runtime, bool cordoned = false, string kernel = "6.12.1") => new()
    {
        Metadata = new V1ObjectMeta { Name = name },
        Spec = new V1NodeSpec { Unschedulable = cordoned },
        Status = new V1NodeStatus
        {
            Conditions = [new V1NodeCondition { Type = "Ready", Status = "True" }],
            NodeInfo = new V1NodeSystemInfo
            {
                Architecture = architecture,
                ContainerRuntimeVersion = runtime,
                KernelVersion = kernel,
            },
        },
    };
}
