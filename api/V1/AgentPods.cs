using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>The pods that the nodes' agents run in, where they run in pods.</summary>
public static class AgentPods
{
    private const string Agent = "checkpoint-agent";

    /// <summary>The label selector that finds them.</summary>
    public const string Selector = WellKnown.NameLabel + "=" + Agent;

    /// <summary>Whether a pod is one of them, as far as it shows it: anybody may give a
    /// pod of theirs this label.</summary>
    public static bool Contains(V1Pod pod) =>
        pod.Metadata.Labels?.TryGetValue(WellKnown.NameLabel, out var name) == true
        && name == Agent
        && pod.Controller()?.Kind == "DaemonSet";
}
