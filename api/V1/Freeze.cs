using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>How long a pod may stand still before kubelet takes it for hung.</summary>
/// <remarks>A stopped process answers no probe. At failureThreshold failures in a row kubelet sends SIGTERM, which a stopped
/// process gets as soon as it goes on; so the freeze must end before.</remarks>
public static class Freeze
{
    /// <summary>The shortest that any liveness probe allows; null where there is none.</summary>
    public static TimeSpan? LongestOf(V1Pod pod) =>
        pod.LivingContainers().Select(Longest).Where(t => t is not null).DefaultIfEmpty(null).Min();

    /// <summary>What one container's liveness probe allows; null where it has none.</summary>
    public static TimeSpan? Longest(V1Container container) =>
        // The first probe may come right after the stop, the fatal one is the last of a row. Defaults: core/v1 Probe.
        container.LivenessProbe is { } probe
            ? TimeSpan.FromSeconds(((probe.FailureThreshold ?? 3) - 1) * (probe.PeriodSeconds ?? 10))
            : null;
}
