using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

/// <summary>What a kubelet says of a pod.</summary>
internal static class KubeletReport
{
    /// <summary>What is new to the API server; null where nothing is.</summary>
    public static V1PodStatus? Of(V1Pod pod, Copy copy)
    {
        var said =
            pod.Status?.ContainerStatuses?.Select(s => (s.Name, s.State?.Running is not null, s.RestartCount)) ?? [];
        var started = copy.Containers.Where(c => c.Started).ToList();
        return started.Select(c => (c.Name, c.Life != Life.Dead, RestartsOf(c)))
            .Concat(copy.Unknown.Select(u => (u.Key, false, u.Value)))
            .SequenceEqual(said)
            && (started.Count == 0 || IsReady(pod, copy) == pod.IsReady())
            ? null
            : new V1PodStatus
            {
                Phase = "Running", PodIP = World.Address,
                ContainerStatuses = [.. started.Select(Of), .. copy.Unknown.Select(u => OfUnknown(u.Key, u.Value))],
                Conditions = [new V1PodCondition { Type = "Ready", Status = IsReady(pod, copy) ? "True" : "False" }],
            };
    }

    /// <summary>What a machine is told to have run already that has never heard of it, and the restarts that its
    /// kubelet counts.</summary>
    public static Dictionary<string, int> UnknownOf(V1Pod pod) =>
        (pod.Status?.ContainerStatuses ?? []).ToDictionary(s => s.Name!, s => s.RestartCount + 1);

    /// <summary>Its probes find a stopped process alive.</summary>
    private static bool IsReady(V1Pod pod, Copy copy) =>
        copy.Containers.Count == pod.Spec.Containers.Count
        && copy.Containers.All(c => c.Started && c.Life is Life.Running or Life.Stopped);

    private static V1ContainerStatus Of(Processes container)
    {
        var end = new V1ContainerState { Terminated = container.End
            ?? new V1ContainerStateTerminated { ExitCode = 137 } };
        var runs = container.Life != Life.Dead;
        return new V1ContainerStatus
        {
            Name = container.Name,
            Ready = runs,
            RestartCount = RestartsOf(container),
            State = runs ? new V1ContainerState { Running = new V1ContainerStateRunning() } : end,
            LastState = container.Restarts > 0 ? end : container.VainCreates > 0 ? InVain(container) : null,
        };
    }

    /// <summary>As kubelet tells of a container that was said to run and that it cannot find: it has ended, nobody
    /// knows when (ContainerStatusUnknown).</summary>
    private static V1ContainerStatus OfUnknown(string name, int restarts) => new()
    {
        Name = name, RestartCount = restarts, State = new V1ContainerState { Waiting = new V1ContainerStateWaiting() },
        LastState = new V1ContainerState
        {
            Terminated = new V1ContainerStateTerminated { ExitCode = 137, Reason = "ContainerStatusUnknown" },
        },
    };

    private static int RestartsOf(Processes container) => container.Restarts + container.VainCreates;

    /// <summary>As containerd tells of a container that it could not start.</summary>
    private static V1ContainerState InVain(Processes container) => new()
    {
        Terminated = new V1ContainerStateTerminated
        {
            ExitCode = 128, Reason = "StartError", FinishedAt = container.VainUntil.UtcDateTime,
        },
    };
}
