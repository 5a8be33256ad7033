using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What of a node, or of a pair of nodes, stands in the way, as far as objects show it.</summary>
internal static class NodeCheck
{
    private const string AgentLabel = "app.kubernetes.io/name";

    /// <summary>The label selector of the agents' pods.</summary>
    public const string AgentSelector = AgentLabel + "=checkpoint-agent";

    public static Finding Ready(string subject, V1Node node)
    {
        var ready = node.Status?.Conditions?.FirstOrDefault(condition => condition.Type == "Ready");
        return ready?.Status == "True"
            ? new Finding(subject, Verdict.Ok, $"{node.Metadata.Name} is ready")
            : new Finding(subject, Verdict.No, $"{node.Metadata.Name} is not ready: {ready?.Reason} {ready?.Message}".TrimEnd(' ', ':'));
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

        if (agents.Count == 0)
        {
            return new Finding(subject, Verdict.Unknown, $"no pod of the cluster has the label {AgentSelector}: agents run otherwise, or not at all");
        }

        var here = agents.FirstOrDefault(pod => pod.Spec.NodeName == node);
        if (here is null)
        {
            return new Finding(subject, Verdict.No, "no agent's pod is on the node: look at kubectl describe daemonset checkpoint-agent");
        }

        return here.Status?.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true
            ? new Finding(subject, Verdict.Ok, $"pod {here.Metadata.NamespaceProperty}/{here.Metadata.Name} is ready")
            : new Finding(subject, Verdict.No, $"pod {here.Metadata.NamespaceProperty}/{here.Metadata.Name} is not ready: look at its logs");
    }

    /// <summary>Whether a node may take what another one has dumped.</summary>
    public static IEnumerable<Finding> Pair(V1Pod pod, V1Node source, V1Node target)
    {
        if (source.Metadata.Name == target.Metadata.Name)
        {
            yield return new Finding("target node", Verdict.No, $"the pod is on {target.Metadata.Name} already: name another node with --to");
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
                : new Finding(what, Verdict.No, $"{here} on {source.Metadata.Name}, {there} on {target.Metadata.Name}: choose a target like the source");
        }

        var (kernel, other) = (source.Status?.NodeInfo?.KernelVersion, target.Status?.NodeInfo?.KernelVersion);
        if (kernel != other)
        {
            yield return new Finding("kernel", Verdict.Warning, $"{kernel} on {source.Metadata.Name}, {other} on {target.Metadata.Name}: a restore may lack what the dump had");
        }

        if (target.Spec?.Unschedulable == true)
        {
            yield return new Finding("target node", Verdict.Warning, $"{target.Metadata.Name} is cordoned; a migration goes there all the same");
        }

        foreach (var (key, value) in SelectorOf(pod).Where(pair => target.Metadata.Labels?.TryGetValue(pair.Key, out var has) != true || has != pair.Value))
        {
            yield return new Finding("target node", Verdict.Warning, $"{target.Metadata.Name} lacks the label {key}={value} of the pod's nodeSelector: kubelet may refuse the pod");
        }
    }

    private static string? RuntimeOf(V1Node node) => node.Status?.NodeInfo?.ContainerRuntimeVersion.Split(':')[0];

    private static Dictionary<string, string> SelectorOf(V1Pod pod) =>
        pod.Spec.More?.TryGetValue("nodeSelector", out var selector) == true && selector.ValueKind == JsonValueKind.Object
            ? selector.EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value.GetString() ?? "")
            : [];
}
