using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Api;

/// <summary>Where a pod may be beside others: nodes a1 and a2 in zone a, b1 in zone b, and x without
/// a zone; the pod is on a1.</summary>
public sealed class PodPlacementTests
{
    private const string Web = """{"app":"web"}""";
    private static readonly V1Node[] Nodes = [Node("a1", "a"), Node("a2", "a"), Node("b1", "b"), Node("x", null)];

    [TestCase("""{"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"kubernetes.io/hostname"}""", "b1")]
    [TestCase(
        """{"labelSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["web"]}]},"topologyKey":"zone"}""",
        "b1")]
    [TestCase(
        """{"labelSelector":{"matchExpressions":[{"key":"tier","operator":"NotIn","values":["db"]}]},"topologyKey":"zone"}""",
        "b1")]
    [TestCase("""{"labelSelector":{},"topologyKey":"zone"}""", "b1")]
    [TestCase("""{"topologyKey":"zone"}""", "")]
    [TestCase(
        """{"labelSelector":{"matchLabels":{"app":"web"}},"namespaces":["elsewhere"],"topologyKey":"zone"}""", "")]
    [TestCase("""{"labelSelector":{"matchLabels":{"app":"web"}},"namespaces":["ns"],"topologyKey":"zone"}""", "b1")]
    [TestCase("""{"labelSelector":{"matchLabels":{"app":"web"}},"namespaceSelector":{},"topologyKey":"zone"}""", "b1")]
    public void Stays_away_from_others_and_not_from_itself(string term, string away)
    {
        var pod = Pod("mine", "a1", Web, Affinity("podAntiAffinity", term));

        Refused(pod, [pod, Pod("other", "b1", Web)], isChosen: false).Should().Be(away);
        Refused(pod,
        [
            pod,
            Pod("other", "b1", Web) with { Status = new V1PodStatus { Phase = "Succeeded" } },
        ], isChosen: true)
            .Should().BeEmpty();
    }

    [Test]
    public void Keeps_others_away_where_it_was_first()
    {
        var shy = Pod("shy", "a2", "{}", Affinity(
            "podAntiAffinity", """{"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"zone"}"""));

        Refused(Pod("mine", "b1", Web), [shy], isChosen: false).Should().Be("a1 a2");
        Refused(Pod("mine", "b1", """{"app":"db"}"""), [shy], isChosen: false).Should().BeEmpty();
        PodPlacement.KeepsOthersAway(shy).Should().BeTrue();
        PodPlacement.KeepsOthersAway(Pod("mine", "b1", Web)).Should().BeFalse();
    }

    [Test]
    public void Stays_near_those_that_it_asks_for_but_the_first_of_a_group_has_nobody_to_be_near()
    {
        var pod = Pod("mine", "a1", Web, Affinity(
            "podAffinity", """{"labelSelector":{"matchLabels":{"app":"db"}},"topologyKey":"zone"}"""));
        Refused(pod, [Pod("db", "b1", """{"app":"db"}""")], isChosen: false).Should().Be("a1 a2 x");
        Refused(pod, [], isChosen: false).Should().Be("a1 a2 b1 x");

        var group = Pod("mine", "a1", Web, Affinity(
            "podAffinity", """{"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"zone"}"""));
        Refused(group, [group], isChosen: false).Should().Be("x", "which is in no zone");
        Refused(group, [group, Pod("second", "b1", Web)], isChosen: false).Should().Be("a1 a2 x");
    }

    [TestCase("podAntiAffinity", "b1")]
    [TestCase("podAffinity", "a1 a2 b1 x")]
    public void What_cannot_be_told_counts_only_where_the_node_is_not_asked_for(string kind, string refused)
    {
        var pod = Pod("mine", "a1", Web, Affinity(
            kind,
            """{"labelSelector":{"matchLabels":{"app":"web"}},"namespaceSelector":{"matchLabels":{"team":"x"}},"topologyKey":"zone"}"""));
        V1Pod[] all = [pod, Pod("other", "b1", Web)];

        Refused(pod, all, isChosen: true).Should().Be(refused);
        Refused(pod, all, isChosen: false).Should().BeEmpty();
    }

    [TestCase(
        """{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"web"}}}""",
        "b1 x")]
    [TestCase(
        """{"maxSkew":2,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"web"}}}""",
        "x")]
    [TestCase(
        """{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway","labelSelector":{"matchLabels":{"app":"web"}}}""",
        "")]
    [TestCase(
        """{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"db"}}}""",
        "x")]
    [TestCase(
        """{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","minDomains":3,"labelSelector":{"matchLabels":{"app":"web"}}}""",
        "b1 x")]
    [TestCase(
        """{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"web"}},"matchLabelKeys":["hash"]}""",
        "x")]
    public void Is_spread_as_evenly_as_it_asks_for(string constraint, string refused)
    {
        var pod = Pod(
            "mine", "a1", """{"app":"web","hash":"new"}""", $$"""{"topologySpreadConstraints":[{{constraint}}]}""");

        Refused(pod, [pod, Pod("other", "b1", """{"app":"web","hash":"old"}""")], isChosen: true).Should().Be(refused);
    }

    [Test]
    public void Says_whom_it_stays_away_from()
    {
        var pod = Pod("mine", "a1", Web, Affinity(
            "podAntiAffinity", """{"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"zone"}"""));

        Placement(pod, [Pod("other", "b1", Web)]).Obstacles(Nodes[2], isChosen: false).Should().Equal(
            new Obstacle(
                Reasons.NodeNotSelected,
                "pod mine may not be on node b1: its required anti-affinity keeps it away from pod ns/other "
                + "in zone b"));
    }

    private static string Refused(V1Pod pod, V1Pod[] all, bool isChosen)
    {
        var placement = Placement(pod, all);
        return string.Join(" ", Nodes.Where(n => placement.Obstacles(n, isChosen).Any()).Select(n => n.Metadata.Name));
    }

    private static PodPlacement Placement(V1Pod pod, V1Pod[] all) =>
        new(pod, () => all, all.Where(PodPlacement.KeepsOthersAway), Nodes);

    private static string Affinity(string kind, string term) =>
        """{"affinity":{"KIND":{"requiredDuringSchedulingIgnoredDuringExecution":[TERM]}}}"""
            .Replace("KIND", kind, StringComparison.Ordinal).Replace("TERM", term, StringComparison.Ordinal);

    private static V1Node Node(string name, string? zone) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, Labels = zone is null
            ? null
            : new Dictionary<string, string> { ["zone"] = zone } },
    };

    private static V1Pod Pod(string name, string node, string labels, string spec = "{}")
    {
        var read = KubernetesJson.Deserialize<V1PodSpec>(spec);
        return new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = name,
                NamespaceProperty = "ns",
                Uid = $"uid-{name}",
                Labels = KubernetesJson.Deserialize<Dictionary<string, string>>(labels),
            },
            Spec = read with { NodeName = node },
        };
    }
}
