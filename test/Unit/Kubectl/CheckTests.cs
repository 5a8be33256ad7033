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
        PodCheck.Of(pod).Any(finding => finding.Verdict == Verdict.No).Should().Be(MigrationValidation.OfPod(pod) is not null);

    [TestCaseSource(nameof(Specs))]
    public void Says_of_a_specification_what_the_operator_will_say(PodMigrationSpec spec) =>
        SpecCheck.Of(spec, Pod()).Any(finding => finding.Verdict == Verdict.No).Should().Be(MigrationObstacles.Of(spec, Pod()).Any());

    [Test]
    public void Compares_two_nodes()
    {
        var pod = Pod() with { Spec = Pod().Spec with { More = Json("nodeSelector", """{"disk":"fast"}""") } };

        var findings = NodeCheck.Pair(pod, Node("node-a", "amd64", "cri-o://1.36.1"), Node("node-b", "arm64", "cri-o://1.35.0", cordoned: true)).ToList();

        findings.Select(finding => (finding.Subject, finding.Verdict)).Should().Equal(
            ("architecture", Verdict.No), ("container runtime", Verdict.Ok), ("target node", Verdict.Warning), ("target node", Verdict.Warning));
        findings[^1].Message.Should().Contain("disk=fast");
        NodeCheck.Pair(pod, Node("node-a", "amd64", ""), Node("node-a", "amd64", "")).Should().ContainSingle(finding => finding.Verdict == Verdict.No);
    }

    [TestCase(null, Verdict.Unknown)]
    [TestCase("", Verdict.Unknown)]
    [TestCase("node-b", Verdict.No)]
    [TestCase("node-a", Verdict.Ok)]
    [TestCase("node-a broken", Verdict.No)]
    public void Finds_the_agent_of_a_node(string? where, Verdict verdict)
    {
        var agent = Pod() with
        {
            Spec = Pod().Spec with { NodeName = where?.Split(' ')[0] },
            Status = new V1PodStatus { Conditions = [new V1PodCondition { Type = "Ready", Status = where?.Contains(' ') == true ? "False" : "True" }] },
        };

        NodeCheck.Agent("node-a", where is null ? null : where.Length == 0 ? [] : [agent]).Verdict.Should().Be(verdict);
    }

    private static IEnumerable<TestCaseData> Pods()
    {
        var (pod, spec) = (Pod(), Pod().Spec);
        yield return Case("plain", pod);
        yield return Case("pending", pod with { Status = pod.Status! with { Phase = "Pending" } });
        yield return Case("leaving", pod with { Metadata = pod.Metadata with { DeletionTimestamp = DateTime.UnixEpoch } });
        yield return Case("restarting", pod with { Status = pod.Status! with { ContainerStatuses = [new V1ContainerStatus { Name = "main", State = new() { Waiting = new() } }] } });
        yield return Case("emptyDir", pod with { Spec = spec with { Volumes = [new V1Volume { Name = "v", EmptyDir = new() }] } });
        yield return Case("tmpfs", pod with { Spec = spec with { Volumes = [new V1Volume { Name = "v", EmptyDir = new() { Medium = "Memory" } }] } });
        yield return Case("hostPath", pod with { Spec = spec with { Volumes = [new V1Volume { Name = "v", HostPath = new() { Path = "/tmp" } }] } });
        yield return Case("configMap", pod with { Spec = spec with { Volumes = [new V1Volume { Name = "v", More = Json("configMap", "{}") }] } });
        yield return Case("shared processes", pod with { Spec = spec with { More = Json("shareProcessNamespace", "true") } });
        yield return Case("sidecar", pod with { Spec = spec with { InitContainers = [new V1Container { Name = "s", RestartPolicy = "Always" }] } });
        yield return Case("init container", pod with { Spec = spec with { InitContainers = [new V1Container { Name = "s" }] } });
        yield return Case("owned", pod with { Metadata = pod.Metadata with { OwnerReferences = [new V1OwnerReference { Kind = "ReplicaSet", Name = "r", Controller = true }] } });
        yield return Case("host network", pod with { Spec = spec with { HostNetwork = true } });
        yield return Case("host processes", pod with { Spec = spec with { HostPID = true } });
        yield return Case("terminal", pod with { Spec = spec with { Containers = [spec.Containers[0] with { Tty = true }] } });
    }

    private static IEnumerable<PodMigrationSpec> Specs() =>
    [
        new() { PodName = "web" },
        .. new[] { TcpPolicies.Close, TcpPolicies.Established, TcpPolicies.Reject }.Select(policy => new PodMigrationSpec { TcpPolicy = policy }),
        .. new[] { OnFailurePolicies.Rollback, OnFailurePolicies.ColdStart, OnFailurePolicies.Leave }.Select(policy => new PodMigrationSpec { OnFailure = policy }),
        new() { ServiceName = "web" },
    ];

    private static TestCaseData Case(string name, V1Pod pod) => new TestCaseData(pod).SetArgDisplayNames(name);

    private static Dictionary<string, JsonElement> Json(string key, string value) => new() { [key] = JsonDocument.Parse(value).RootElement };

    private static V1Pod Pod() => new()
    {
        Metadata = new V1ObjectMeta { Name = "web", NamespaceProperty = "shop" },
        Spec = new V1PodSpec { NodeName = "node-a", Containers = [new V1Container { Name = "main" }] },
        Status = new V1PodStatus
        {
            Phase = "Running",
            ContainerStatuses = [new V1ContainerStatus { Name = "main", State = new V1ContainerState { Running = new V1ContainerStateRunning() } }],
        },
    };

    private static V1Node Node(string name, string architecture, string runtime, bool cordoned = false) => new()
    {
        Metadata = new V1ObjectMeta { Name = name },
        Spec = new V1NodeSpec { Unschedulable = cordoned },
        Status = new V1NodeStatus { NodeInfo = new V1NodeSystemInfo { Architecture = architecture, ContainerRuntimeVersion = runtime } },
    };
}
