using System.Text.Json;
using k8s;
using k8s.Models;
using Runtime.V1;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>Tells the API server how pods fare, when something has changed.</summary>
internal sealed class PodStatusWriter(IKubernetes kubernetes, CriRuntime runtime, KubeletOptions options)
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<string, string> _last = new();

    public async Task ReportAsync(
        V1Pod pod,
        string sandbox,
        string podIP,
        bool initialized,
        IReadOnlyDictionary<string, (string Reason, string Message)> waiting,
        ProbeResults probes,
        CancellationToken cancellationToken)
    {
        var containers = await runtime.ContainersAsync(sandbox, cancellationToken);
        var statuses = await StatusesAsync(pod.Spec.Containers, containers, waiting, probes, cancellationToken);
        var inits = await StatusesAsync(pod.Spec.InitContainers ?? [], containers, waiting, probes, cancellationToken);
        var sidecars = (pod.Spec.InitContainers ?? []).Where(c => c.RestartPolicy == "Always").Select(c => c.Name);
        var ready = statuses.Concat(inits.IntersectBy(sidecars, s => s.Name)).All(s => s.Ready);
        var status = new V1PodStatus
        {
            Phase = PhaseOf(pod, statuses),
            PodIP = podIP,
            PodIPs = [new V1PodIP { Ip = podIP }],
            HostIP = options.NodeIP,
            StartTime = pod.Status?.StartTime ?? DateTime.UtcNow,
            ContainerStatuses = statuses,
            InitContainerStatuses = inits,
            Conditions =
            [
                Condition(pod, "PodScheduled", true),
                Condition(pod, "Initialized", initialized),
                Condition(pod, "ContainersReady", ready),
                Condition(pod, "Ready", ready),
            ],
        };
        var text = KubernetesJson.Serialize(status);
        if (_last.GetValueOrDefault(pod.Metadata.Uid!) == text)
        {
            return;
        }

        var patch = $$"""{"metadata":{"uid":{{JsonSerializer.Serialize(pod.Metadata.Uid)}}},"status":{{text}}}""";
        try
        {
            await kubernetes.PatchAsync<V1Pod>(
                pod.Metadata.NamespaceProperty, pod.Metadata.Name!, "status", PatchType.Merge, patch, "kubelet",
                cancellationToken);
            _last[pod.Metadata.Uid!] = text;
        }
        catch (KubernetesException exception) when (exception.IsNotFound || exception.IsConflict)
        {
            // The object is gone or another one; the watch will say so.
        }
    }

    /// <summary>The last word on a pod: its processes are gone.</summary>
    public async Task RemoveAsync(V1Pod pod, CancellationToken cancellationToken)
    {
        try
        {
            await kubernetes.DeleteAsync<V1Pod>(
                pod.Metadata.NamespaceProperty,
                pod.Metadata.Name!,
                new V1DeleteOptions
                {
                    GracePeriodSeconds = 0,
                    Preconditions = new V1Preconditions { Uid = pod.Metadata.Uid },
                },
                cancellationToken);
        }
        catch (KubernetesException exception) when (exception.IsNotFound || exception.IsConflict)
        {
            // Gone already.
        }
    }

    private static string PhaseOf(V1Pod pod, List<V1ContainerStatus> statuses)
    {
        if (statuses.Any(s => s.State?.Running is not null))
        {
            return "Running";
        }

        if (pod.Spec.RestartPolicy is "Never" or "OnFailure" && statuses.All(s => s.State?.Terminated is not null))
        {
            var failed = statuses.Any(s => s.State!.Terminated!.ExitCode != 0);
            if (!failed || pod.Spec.RestartPolicy == "Never")
            {
                return failed ? "Failed" : "Succeeded";
            }
        }

        return statuses.Any(s => s.RestartCount > 0 || s.State?.Terminated is not null) ? "Running" : "Pending";
    }

    private static V1PodCondition Condition(V1Pod pod, string type, bool value)
    {
        var status = value ? "True" : "False";
        var old = pod.Status?.Conditions?.FirstOrDefault(c => c.Type == type);
        var now = DateTime.UtcNow;
        return new V1PodCondition
        {
            Type = type,
            Status = status,
            LastTransitionTime = old?.Status == status
                ? old.LastTransitionTime
                : now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond)),
        };
    }

    private async Task<List<V1ContainerStatus>> StatusesAsync(
        IEnumerable<V1Container> wanted,
        IReadOnlyList<Container> containers,
        IReadOnlyDictionary<string, (string Reason, string Message)> waiting,
        ProbeResults probes,
        CancellationToken cancellationToken)
    {
        var result = new List<V1ContainerStatus>();
        foreach (var container in wanted)
        {
            var last = containers.Where(c => c.Metadata.Name == container.Name).MaxBy(c => c.Metadata.Attempt);
            var before =
                containers.Where(
                    c => c.Metadata.Name == container.Name && c.Metadata.Attempt + 1 == last?.Metadata.Attempt)
                    .MaxBy(c => c.CreatedAt);
            var status = last is null ? null : await runtime.ContainerAsync(last.Id, cancellationToken);
            var running = status?.State == ContainerState.ContainerRunning;
            result.Add(new V1ContainerStatus
            {
                Name = container.Name,
                Image = container.Image ?? "",
                ImageID = status?.ImageRef ?? "",
                ContainerID = status is null ? null : $"containerd://{status.Id}",
                RestartCount = (int)(last?.Metadata.Attempt ?? 0),
                Started = running && probes.IsStarted(container, status!.Id),
                Ready = running && probes.IsReady(container, status!.Id),
                LastState = before is null
                    ? null
                    : StateOf(await runtime.ContainerAsync(before.Id, cancellationToken), null),
                State = StateOf(status, waiting.TryGetValue(container.Name, out var why) ? why : null),
            });
        }

        return result;
    }

    private static V1ContainerState StateOf(ContainerStatus? status, (string Reason, string Message)? waiting) =>
        status?.State switch
        {
            ContainerState.ContainerRunning => new V1ContainerState
            {
                Running = new V1ContainerStateRunning { StartedAt = Time(status.StartedAt) },
            },
            _ when waiting is { } why => new V1ContainerState
            {
                Waiting = new V1ContainerStateWaiting { Reason = why.Reason, Message = why.Message },
            },
            ContainerState.ContainerExited => new V1ContainerState
            {
                Terminated = new V1ContainerStateTerminated
                {
                    ExitCode = status.ExitCode,
                    Reason = status.ExitCode == 0 ? "Completed" : "Error",
                    Message = status.Message,
                    StartedAt = Time(status.StartedAt),
                    FinishedAt = Time(status.FinishedAt),
                    ContainerID = $"containerd://{status.Id}",
                },
            },
            _ => new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = "ContainerCreating" } },
        };

    private static DateTime Time(long nanoseconds) =>
        DateTime.UnixEpoch.AddSeconds(nanoseconds / 1_000_000_000);
}
