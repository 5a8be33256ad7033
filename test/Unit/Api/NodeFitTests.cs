using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Api;

/// <summary>Whether a node takes a pod: the rows are the scheduler's own rules.</summary>
public sealed class NodeFitTests
{
    private const string Roomy = """{"cpu":"2","memory":"4Gi","pods":"10","example.com/gpu":"1"}""";

    [TestCase("""{"containers":[{"name":"c"}]}""")]
    [TestCase(
        """{"containers":[{"name":"c","resources":{"requests":{"cpu":"2000m","memory":"4Gi","example.com/gpu":"1"}}}]}""")]
    [TestCase(
        """{"containers":[{"name":"c","resources":{"limits":{"cpu":"64"}}}]}""",
        Description = "the server has made requests of limits where there are none")]
    [TestCase(
        """{"containers":[{"name":"c"}],"initContainers":[{"name":"i","resources":{"requests":{"cpu":"64"}}}]}""",
        Description = "it is not run again")]
    [TestCase(
        """{"containers":[{"name":"c","resources":{"requests":{"cpu":"9"}}}],"resources":{"requests":{"cpu":"1"}}}""",
        Description = "the pod's own count instead")]
    public void Has_room(string spec) => Obstacles(spec, Roomy).Should().BeEmpty();

    [TestCase(
        """{"containers":[{"name":"c","resources":{"requests":{"cpu":"2001m"}}}]}""",
        "requests 2.001 of cpu, and node n has 2 left of 2")]
    [TestCase(
        """{"containers":[{"name":"c","resources":{"requests":{"memory":"3Gi"}}},{"name":"d","resources":{"requests":{"memory":"1.5Gi"}}}]}""",
        "requests 4.5 GiB of memory, and node n has 4 GiB left of 4 GiB")]
    [TestCase(
        """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"1500m"}}}]}""",
        "requests 2.5 of cpu")]
    [TestCase(
        """{"containers":[{"name":"c","resources":{"requests":{"example.com/other":"1"}}}]}""",
        "requests 1 of example.com/other, and node n has 0 left of 0")]
    [TestCase(
        """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1900m"}}}],"overhead":{"cpu":"200m"}}""",
        "requests 2.1 of cpu")]
    public void Lacks_what_the_pod_requests(string spec, string message) =>
        Obstacles(spec, Roomy).Should().ContainSingle().Which.Should().Match<Obstacle>(o =>
            o.Reason == Reasons.InsufficientResources && o.Message.Contains(message, StringComparison.Ordinal));

    [Test]
    public void Pods_that_are_there_take_their_part_and_those_that_have_ended_do_not()
    {
        const string Half =
            """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"i","resources":{"requests":{"cpu":"1500m"}}}]}""";
        const string Wanted = """{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}]}""";
        var there = Pod(Half, "there");

        Obstacles(Wanted, Roomy, there).Single().Message
            .Should().Contain("has 0.5 left of 2", "an init container may run again at any time");
        Obstacles(Wanted, Roomy, there with { Status = new V1PodStatus { Phase = "Succeeded" } }).Should().BeEmpty();
        Obstacles("""{"containers":[{"name":"c"}]}""", """{"pods":"1"}""", there).Single().Message
            .Should().Be("node n takes 1 pods, and 1 are there");
        Obstacles(Wanted, "{}", there).Should().BeEmpty("kubelet has not said what there is");
    }

    [TestCase("TCP", null, null, true)]
    [TestCase("UDP", null, null, false)]
    [TestCase("TCP", "10.0.0.1", "10.0.0.2", false)]
    [TestCase("TCP", "10.0.0.1", null, true)]
    public void A_host_port_is_given_once(string protocol, string? mine, string? its, bool taken)
    {
        static string Spec(string protocol, string? address) =>
            $$$"""{"containers":[{"name":"c","ports":[{"containerPort":80,"hostPort":8080,"protocol":"{{{protocol}}}","hostIP":"{{{address}}}"}]}]}""";

        var found = Obstacles(Spec("TCP", mine), Roomy, Pod(Spec(protocol, its), "there")).ToList();

        found.Select(f => f.Message)
            .Should().Equal(taken ? ["hostPort 8080/TCP of node n is taken by pod ns/there"] : []);
    }

    [TestCase("NoSchedule", "[]", false)]
    [TestCase("NoExecute", """[{"key":"other","operator":"Exists"}]""", false)]
    [TestCase("NoSchedule", """[{"key":"dedicated","value":"db"}]""", true)]
    [TestCase("NoSchedule", """[{"key":"dedicated","operator":"Equal","value":"web"}]""", false)]
    [TestCase("NoSchedule", """[{"key":"dedicated","operator":"Exists","effect":"NoExecute"}]""", false)]
    [TestCase(
        "NoExecute", """[{"key":"dedicated","operator":"Exists","effect":"NoExecute","tolerationSeconds":30}]""", true)]
    [TestCase("NoSchedule", """[{"operator":"Exists"}]""", true)]
    [TestCase("PreferNoSchedule", "[]", true)]
    public void A_taint_has_to_be_tolerated(string effect, string tolerations, bool tolerated)
    {
        var node = Node(Roomy) with
        {
            Spec = new V1NodeSpec { Taints = [new V1Taint { Key = "dedicated", Value = "db", Effect = effect }] },
        };
        var pod = Pod($$"""{"containers":[{"name":"c"}],"tolerations":{{tolerations}}}""", "web");

        NodeFit.Obstacles(pod, node, []).Select(o => o.Reason)
            .Should().Equal(tolerated ? [] : [Reasons.TaintNotTolerated]);
    }

    [Test]
    public void What_the_cluster_says_by_taints_of_its_own_is_told_elsewhere()
    {
        string[] keys =
        [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
            "node.kubernetes.io/unschedulable",
        ];
        var node = Node(Roomy) with
        {
            Spec = new V1NodeSpec { Taints = [.. keys.Select(k => new V1Taint { Key = k, Effect = "NoSchedule" })] },
        };
        NodeFit.Obstacles(Pod("""{"containers":[{"name":"c"}]}""", "web"), node, []).Should().BeEmpty();
    }

    [TestCase("""{"nodeSelector":{"disk":"fast"}}""", true)]
    [TestCase("""{"nodeSelector":{"disk":"slow"}}""", false)]
    [TestCase("""{"nodeSelector":{"none":""}}""", false)]
    [TestCase("""[{"matchExpressions":[{"key":"disk","operator":"In","values":["slow","fast"]}]}]""", true)]
    [TestCase("""[{"matchExpressions":[{"key":"disk","operator":"NotIn","values":["fast"]}]}]""", false)]
    [TestCase(
        """[{"matchExpressions":[{"key":"disk","operator":"NotIn","values":["fast"]}]},{"matchExpressions":[{"key":"cores","operator":"Gt","values":["4"]}]}]""",
        true)]
    [TestCase("""[{"matchExpressions":[{"key":"cores","operator":"Lt","values":["8"]}]}]""", false)]
    [TestCase(
        """[{"matchExpressions":[{"key":"cores","operator":"Exists"},{"key":"none","operator":"DoesNotExist"}]}]""",
        true)]
    [TestCase("""[{"matchExpressions":[{"key":"none","operator":"Gt","values":["1"]}]}]""", false)]
    [TestCase("""[{"matchFields":[{"key":"metadata.name","operator":"In","values":["n"]}]}]""", true)]
    [TestCase("""[{"matchFields":[{"key":"metadata.name","operator":"In","values":["source"]}]}]""", false)]
    [TestCase("""[{}]""", false, Description = "a term without requirements matches nothing")]
    public void The_pods_selector_and_required_affinity_decide(string selection, bool selected)
    {
        var inner = selection.StartsWith('[')
            ? $$$$"""{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":{{{{selection}}}}},"preferredDuringSchedulingIgnoredDuringExecution":[]}}}"""
            : selection;

        Obstacles("""{"containers":[{"name":"c"}],""" + inner[1..], Roomy).Select(o => o.Reason)
            .Should().Equal(selected ? [] : [Reasons.NodeNotSelected]);
    }

    [TestCase("1.5", 1.5)]
    [TestCase("250m", 0.25)]
    [TestCase("64Mi", 67108864)]
    [TestCase("2e3", 2000)]
    [TestCase("1E", 1e18)]
    [TestCase("-3k", -3000)]
    public void Reads_quantities(string text, double number)
    {
        Quantity.TryParse(text, out var read).Should().BeTrue();
        read.Should().Be((decimal)number);
    }

    [TestCase("")]
    [TestCase(null)]
    [TestCase("Mi")]
    [TestCase(" 1")]
    [TestCase("1 Mi")]
    [TestCase("1Kii")]
    [TestCase("0x10")]
    [TestCase("99999999999999999999E")]
    public void Refuses_what_is_no_quantity(string? text) => Quantity.TryParse(text, out _).Should().BeFalse();

    private static IEnumerable<Obstacle> Obstacles(string spec, string allocatable, params V1Pod[] there) =>
        NodeFit.Obstacles(Pod(spec, "web"), Node(allocatable), there);

    // As the API server sends them.
    private static V1Pod Pod(string spec, string name) =>
        KubernetesJson.Deserialize<V1Pod>($$"""{"metadata":{"name":"{{name}}","namespace":"ns"},"spec":{{spec}}}""");

    private static V1Node Node(string allocatable) => KubernetesJson.Deserialize<V1Node>(
        $$$"""{"metadata":{"name":"n","labels":{"disk":"fast","cores":"8"}},"status":{"allocatable":{{{allocatable}}}}}""");
}
