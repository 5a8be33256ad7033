using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What of a node, or of a pair of nodes, stands in the way, as far as objects show it.</summary>
internal static class NodeCheck
{
    public static Finding Ready(string subject, V1Node node)
    {
        var ready = node.Status?.Conditions?.FirstOrDefault(condition => condition.Type == "Ready");
        return ready?.Status == "True"
            ? new Finding(subject, Verdict.Ok, $"{node.Metadata.Name} is ready")
            : new Finding(
                subject, Verdict.No,
                $"{node.Metadata.Name} is not ready: {ready?.Reason} {ready?.Message}".TrimEnd(' ', ':'));
    }

    /// <summary>Why nothing new comes to a node that is cordoned.</summary>
    public static string Cordoned(V1Node node) =>
        $"{node.Metadata.Name} is cordoned: kubectl uncordon it, or choose another node";

    /// <summary>What the operator tells of a node: a source need not take pods, and
    /// nothing of that is decided here.</summary>
    /// <param name="told">The node.</param>
    /// <param name="isTarget">Whether the pod is to go there.</param>
    public static Finding Told(CheckpointNode told, bool isTarget)
    {
        var ready = (told.Status?.Conditions).Find(ConditionTypes.Ready);
        return new Finding(
            $"agent of {told.Metadata.Name}",
            ready switch
            {
                null => Verdict.Unknown,
                { Status: "True" } => Verdict.Ok,
                { Status: "False", Reason: not Reasons.AgentMissing } when !isTarget => Verdict.Warning,
                _ => Verdict.No,
            },
            ready?.Message ?? "the operator has not asked it yet");
    }

    /// <summary>The agent of a node, where agents run as pods.</summary>
    /// <param name="node">The node's name.</param>
    /// <param name="agents">The agents' pods; null when they may not be read.</param>
    public static Finding Agent(string node, IReadOnlyList<V1Pod>? agents)
    {
        var subject = $"agent of {node}";
        if (agents is null)
        {
            return new Finding(subject, Verdict.Unknown, "you may not list pods of all namespaces");
        }

        var pods = agents.Where(AgentPods.Contains).ToList();
        if (pods.Count == 0)
        {
            return new Finding(
                subject,
                Verdict.Unknown,
                $"no DaemonSet's pod has the label {AgentPods.Selector}: agents run otherwise, or not at all");
        }

        var here = pods.FirstOrDefault(pod => pod.Spec.NodeName == node);
        if (here is null)
        {
            return new Finding(
                subject, Verdict.No,
                "no agent's pod is on the node: look at kubectl describe daemonset checkpoint-agent");
        }

        return here.IsReady()
            ? new Finding(subject, Verdict.Ok, $"pod {here.Metadata.NamespaceProperty}/{here.Metadata.Name} is ready")
            : new Finding(
                subject,
                Verdict.No,
                $"pod {here.Metadata.NamespaceProperty}/{here.Metadata.Name} is not ready: look at its logs");
    }

    /// <summary>Whether a node may take what another one has dumped.</summary>
    public static IEnumerable<Finding> Pair(V1Node source, V1Node target)
    {
        if (source.Metadata.Name == target.Metadata.Name)
        {
            yield return new Finding(
                "target node", Verdict.No,
                $"the pod is on {target.Metadata.Name} already: name another node with --to");
            yield break;
        }

        foreach (var (what, here, there) in new[]
        {
            ("architecture", source.Status?.NodeInfo?.Architecture, target.Status?.NodeInfo?.Architecture),
            ("container runtime", RuntimeOf(source), RuntimeOf(target)),
        })
        {
            yield return here == there
                ? new Finding(what, Verdict.Ok, $"{here} on both nodes")
                : new Finding(
                    what,
                    Verdict.No,
                    $"{here} on {source.Metadata.Name}, {there} on {target.Metadata.Name}: choose a target like the "
                        + "source");
        }

        var (kernel, other) = (source.Status?.NodeInfo?.KernelVersion, target.Status?.NodeInfo?.KernelVersion);
        yield return Versions.IsOlder(other, kernel, parts: 2)
            ? new Finding(
                "kernel",
                Verdict.No,
                $"{other} on {target.Metadata.Name} is older than {kernel} on {source.Metadata.Name}: choose a "
                    + "target whose kernel is not")
            : new Finding("kernel", Verdict.Ok, kernel == other
                ? $"{kernel} on both nodes"
                : $"{kernel} on {source.Metadata.Name}, {other} on {target.Metadata.Name}");
    }

    /// <summary>How other pods and the pod stand to each other; null where they, or
    /// the nodes, may not be read.</summary>
    public static PodPlacement? Placement(V1Pod pod, IReadOnlyList<V1Pod>? others, IReadOnlyList<V1Node>? nodes) =>
        others is null || nodes is null
            ? null
            : new PodPlacement(pod, () => others, others.Where(PodPlacement.KeepsOthersAway), [.. nodes]);

    /// <summary>Whether a node takes the pod and has room for it.</summary>
    /// <param name="subject">What it is called.</param>
    /// <param name="pod">The pod that moves.</param>
    /// <param name="node">The node.</param>
    /// <param name="others">The pods of all nodes; null when they may not be read.</param>
    /// <param name="placement">How they stand to the pod; null when that is not known.</param>
    /// <param name="isChosen">Whether nobody has asked for this node.</param>
    public static IEnumerable<Finding> Fit(
        string subject, V1Pod pod, V1Node node, IReadOnlyList<V1Pod>? others, PodPlacement? placement, bool isChosen)
    {
        var findings =
            NodeFit.Obstacles(pod, node, others?.Where(other => other.Spec.NodeName == node.Metadata.Name) ?? [])
                .Concat(placement?.Obstacles(node, isChosen) ?? [])
                .Concat(RestoreHandler.Obstacle(node) is { } lacks ? [lacks] : [])
                .Select(obstacle => new Finding(subject, Verdict.No, obstacle.Message)).ToList();
        if (node.Spec?.Unschedulable == true)
        {
            findings.Insert(0, new Finding(subject, Verdict.No, Cordoned(node)));
        }

        var name = node.Metadata.Name;
        return findings.Count > 0 ? findings
            : [others is null
                ? new Finding(
                    subject,
                    Verdict.Unknown,
                    $"you may not list pods of all namespaces, so the room that is left on {name}, and which pods "
                        + "keep the pod away, is not known")
                : placement is null
                ? new Finding(
                    subject,
                    Verdict.Unknown,
                    $"{name} has left what the pod requests; you may not list nodes, so which pods keep it away is "
                        + "not known")
                : new Finding(subject, Verdict.Ok, $"{name} takes the pod and has left what it requests")];
    }

    /// <summary>Which nodes the operator chooses among, when none is named.</summary>
    public static IEnumerable<Finding> Choice(
        V1Pod pod, IReadOnlyList<MountedClaim> claims, IReadOnlyList<V1Node> nodes, IReadOnlyList<V1Pod>? others)
    {
        const string subject = "target node";
        var ready = nodes.Where(node => node.Metadata.Name != pod.Spec.NodeName
            && Ready(subject, node).Verdict == Verdict.Ok
            && node.Spec?.Unschedulable != true).ToList();
        var placement = Placement(pod, others, nodes);
        var fit = ready.ConvertAll(node => Fit(subject, pod, node, others, placement, isChosen: true)
            .Concat(claims.Select(claim => claim.Obstacle(node)).OfType<Obstacle>()
                .Select(why => new Finding(subject, Verdict.No, why.Message)))
            .ToList());
        var chosen = ready.Where((_, i) => fit[i].TrueForAll(finding => finding.Verdict != Verdict.No))
            .Select(node => node.Metadata.Name)
            .ToList();
        return chosen.Count > 0
            ? [new Finding(subject, Verdict.Ok, $"none is named: the operator chooses {string.Join(" or ", chosen)}")]
            : ready.Count > 0 ? fit.SelectMany(findings => findings)
            : [new Finding(subject, Verdict.No, "no other node is ready and takes pods: see kubectl get nodes")];
    }

    private static string? RuntimeOf(V1Node node) => node.Status?.NodeInfo?.ContainerRuntimeVersion.Split(':')[0];
}
