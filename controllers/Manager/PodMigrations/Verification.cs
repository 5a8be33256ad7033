using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What kubelet's word on a target's containers says of their restore. Pure
/// functions of what was read.</summary>
internal static class Verification
{
    /// <summary>A process that fails so soon after it was let go has not stood the restore: another CPU, kernel or
    /// file. What ends later, or ends well, is the application's own doing.</summary>
    internal static readonly TimeSpan Trial = TimeSpan.FromSeconds(10);

    /// <summary>containerd's word for what it could not start: nothing of it ran.</summary>
    private const string StartError = "StartError";

    /// <summary>Why the restore is taken to have failed, or null.</summary>
    public static Obstacle? OfContainers(V1Pod target, GetRestoreResponse restore) => FailureOf(
        target,
        (container, end) => BeganAt(restore, container) is var began
            && !IsBefore(end, began) && (end.FinishedAt is null || began is null || end.FinishedAt - began < Trial));

    /// <summary>Why a restore is taken to have failed after all, or null: it was verified, which may be
    /// before its trial is over.</summary>
    /// <param name="target">The pod.</param>
    /// <param name="verified">When it was verified, by its node's clock.</param>
    public static Obstacle? AfterVerified(V1Pod target, DateTime verified)
    {
        // kubelet's times are whole seconds, cut off.
        var second = verified.AddTicks(-(verified.Ticks % TimeSpan.TicksPerSecond));
        // What ended before was judged then. An end without a time is kubelet's word for a container that was gone when
        // it looked: after a reboot.
        return FailureOf(
            target,
            (_, end) => end.Reason != StartError
                && (end.FinishedAt is not { } at || (at >= second && at - second < Trial)));
    }

    private static Obstacle? FailureOf(V1Pod target, Func<string, V1ContainerStateTerminated, bool> isTheRestores)
    {
        foreach (var status in target.LivingStatuses())
        {
            if (EndOf(status) is { ExitCode: not 0 } end && isTheRestores(status.Name!, end))
            {
                return new(
                    Reasons.RestoreFailed,
                    $"container {status.Name} was restored and ended at once with exit code {end.ExitCode}; see "
                        + $"kubectl logs and describe of pod {target.Metadata.Name}");
            }
        }

        return null;
    }

    /// <summary>Whether kubelet has seen every container run; of one that its agent knows to
    /// have ended, how that was.</summary>
    public static bool IsComplete(V1Pod target, GetRestoreResponse restore, int containers) =>
        target.LivingStatuses().Count(s => (EndOf(s) is { } end && !IsBefore(end, BeganAt(restore, s.Name!)))
            || (s.State?.Running is not null && !restore.Containers.Any(c => c.ContainerName == s.Name && c.Ended)))
        >= containers;

    private static DateTime? BeganAt(GetRestoreResponse restore, string container) =>
        restore.Containers.FirstOrDefault(c => c.ContainerName == container)?.RunningAt?.ToDateTime();

    /// <summary>Whether what ended was a create that waited for the checkpoint in vain, before the one that was
    /// restored: a runtime tells that as an end, too. Both times are of the same node; kubelet's are whole
    /// seconds.</summary>
    private static bool IsBefore(V1ContainerStateTerminated end, DateTime? began) =>
        end.Reason == StartError || end.FinishedAt <= began - TimeSpan.FromSeconds(1);

    private static V1ContainerStateTerminated? EndOf(V1ContainerStatus status) =>
        status.State?.Terminated ?? (status.RestartCount > 0 ? status.LastState?.Terminated : null);
}
