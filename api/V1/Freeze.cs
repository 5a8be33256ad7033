using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>How long a pod may stand still before kubelet takes it for hung.</summary>
/// <remarks>A stopped process answers no probe. At failureThreshold failures in a row kubelet sends SIGTERM, which a
/// stopped process gets as soon as it goes on; so the freeze must end before.</remarks>
public static class Freeze
{
    /// <summary>What no migration does without: a fence, a dump, a restore, and where it fails the way back.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromSeconds(2);

    /// <summary>Faster than memory is written by any node, and read again by another one.</summary>
    private const double BytesPerSecond = 1L << 32;

    /// <summary>As measured with CRI-O: CRIU writes the memory, and the runtime once more, into an archive.</summary>
    private const double SnapshotBytesPerSecond = 1L << 29;

    private static readonly TimeSpan MaxReserve = TimeSpan.FromSeconds(5);

    /// <summary>Who waits for longer waits for ever: the product of two fields may be beyond every calendar.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    /// <summary>How long a pod may stand still: the least that any of its liveness probes
    /// allows; null where it has none.</summary>
    public static TimeSpan? AllowedFor(V1Pod pod) => StrictestProbeOf(pod)?.Allowed;

    /// <summary>The probe that allows the least, in words, and what it allows; null where there is none.</summary>
    public static (string Probe, TimeSpan Allowed)? StrictestProbeOf(V1Pod pod) =>
        pod.LivingContainers().Select(ProbeOf).Where(probe => probe is not null).MinBy(probe => probe!.Value.Allowed);

    /// <summary>One container's liveness probe, in words, and what it allows; null where it has none.</summary>
    public static (string Probe, TimeSpan Allowed)? ProbeOf(V1Container container) =>
        AllowedBy(container) is { } allowed
            ? ($"livenessProbe of container \"{container.Name}\" (failureThreshold "
                + $"{FailuresOf(container.LivenessProbe!)}, periodSeconds {PeriodOf(container.LivenessProbe!)})",
                allowed)
            : null;

    /// <summary>How long a migration lets a pod stand still that may for so long: some
    /// of it is for the way back.</summary>
    public static TimeSpan Usable(TimeSpan allowed)
    {
        var reserve = allowed / 4;
        return allowed - (reserve < MaxReserve ? reserve : MaxReserve);
    }

    /// <summary>How long a pod of so many bytes stands still at least.</summary>
    public static TimeSpan LeastFor(ulong bytes) =>
        TimeSpan.FromSeconds(Math.Max(Least.TotalSeconds, bytes / BytesPerSecond));

    /// <summary>How long a container of so many bytes stands still, as a rule, while it is dumped and runs
    /// on.</summary>
    /// <remarks>A migration has a clock that ends it in time, and is refused only where it cannot but take too long; a
    /// dump that has begun ends by itself.</remarks>
    public static TimeSpan OfSnapshot(ulong bytes) =>
        TimeSpan.FromSeconds(Math.Max(Least.TotalSeconds, bytes / SnapshotBytesPerSecond));

    /// <summary>What one container's liveness probe allows; null where it has none.</summary>
    public static TimeSpan? AllowedBy(V1Container container) =>
        // The first probe may come right after the stop, the fatal one is the last of a row. Defaults: core/v1 Probe.
        container.LivenessProbe is { } probe
            ? TimeSpan.FromSeconds(Math.Min((FailuresOf(probe) - 1L) * PeriodOf(probe), (long)Longest.TotalSeconds))
            : null;

    private static int FailuresOf(V1Probe probe) => probe.FailureThreshold ?? 3;

    private static int PeriodOf(V1Probe probe) => probe.PeriodSeconds ?? 10;
}
