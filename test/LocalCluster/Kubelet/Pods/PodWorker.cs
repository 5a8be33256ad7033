using Grpc.Core;
using k8s;
using k8s.Models;
using Runtime.V1;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>Keeps one pod as its object says, from the first sandbox to the last process.</summary>
internal sealed class PodWorker(
    CriRuntime runtime, IKubernetes kubernetes, PodStatusWriter statuses, KubeletOptions options, ILogger logger)
    : IDisposable
{
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly Dictionary<string, (string Reason, string Message)> _waiting = [];
    private readonly Dictionary<string, (int Failures, DateTime Until)> _backoff = [];
    private readonly ProbeResults _probes = new(runtime, TimeProvider.System);
    private volatile V1Pod? _pod;
    private volatile bool _orphan;
    private string? _sandbox;
    private string _podIP = "";

    public void Dispose()
    {
        _probes.Dispose();
        _wake.Dispose();
    }

    /// <summary>The pod as it is wanted now.</summary>
    public void Update(V1Pod pod)
    {
        _pod = pod;
        Wake();
    }

    /// <summary>The object is gone: whatever runs is killed at once.</summary>
    public void Orphan()
    {
        _orphan = true;
        Wake();
    }

    /// <summary>Works until the pod is gone.</summary>
    public async Task RunAsync(string uid, CancellationToken cancellationToken)
    {
        await FindSandboxAsync(uid, cancellationToken);
        while (true)
        {
            try
            {
                if (_orphan || _pod is { Metadata.DeletionTimestamp: not null })
                {
                    await TerminateAsync(cancellationToken);
                    return;
                }

                if (_pod is { } pod)
                {
                    await SyncAsync(pod, cancellationToken);
                }
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                KubeletLog.SyncFailed(logger, exception, uid);
            }

            // Containers also end by themselves: the runtime is asked twice a
            // second, the object's changes wake at once.
            await _wake.WaitAsync(TimeSpan.FromMilliseconds(500), cancellationToken);
        }
    }

    /// <summary>The running container of a name, for the checkpoint endpoint.</summary>
    public async Task<string?> RunningContainerAsync(string name, CancellationToken cancellationToken) =>
        _sandbox is null
            ? null
            : (await runtime.ContainersAsync(_sandbox, cancellationToken))
                .FirstOrDefault(c => c.Metadata.Name == name && c.State == ContainerState.ContainerRunning)?.Id;

    public V1Pod? Pod => _pod;

    private void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // Awake already.
        }
    }

    private async Task FindSandboxAsync(string uid, CancellationToken cancellationToken)
    {
        var found = (await runtime.SandboxesAsync(cancellationToken))
            .FirstOrDefault(s => s.Metadata.Uid == uid && s.State == PodSandboxState.SandboxReady);
        if (found is not null)
        {
            _sandbox = found.Id;
            _podIP = (await runtime.SandboxAsync(found.Id, cancellationToken)).Network?.Ip ?? "";
        }
    }

    private async Task SyncAsync(V1Pod pod, CancellationToken cancellationToken)
    {
        if (pod.Status?.Phase is "Succeeded" or "Failed")
        {
            return;
        }

        var config = PodMapping.Sandbox(pod, options);
        if (_sandbox is null)
        {
            Directory.CreateDirectory(config.LogDirectory);
            PodSlice.Make(pod, options);
            _sandbox = await runtime.RunSandboxAsync(config, pod.Spec.RuntimeClassName ?? "", cancellationToken);
            _podIP = pod.Spec.HostNetwork == true
                ? options.NodeIP
                : (await runtime.SandboxAsync(_sandbox, cancellationToken)).Network?.Ip ?? "";
        }

        var containers = await runtime.ContainersAsync(_sandbox, cancellationToken);
        var initialized = true;
        foreach (var init in pod.Spec.InitContainers ?? [])
        {
            var last = Last(containers, init.Name);
            if (init.RestartPolicy == "Always")
            {
                // A sidecar (KEP-753): it stays, and the next one waits only until it has started.
                await KeepAsync(pod, init, config, last, cancellationToken);
                if (last?.State == ContainerState.ContainerRunning && _probes.IsStarted(init, last.Id))
                {
                    continue;
                }

                initialized = false;
                if (last is null)
                {
                    Wake();
                }

                break;
            }

            if (last?.State == ContainerState.ContainerExited
                && (await runtime.ContainerAsync(last.Id, cancellationToken)).ExitCode == 0)
            {
                continue;
            }

            initialized = false;
            if (last is null || last.State == ContainerState.ContainerExited)
            {
                await StartAsync(pod, init, config, last, cancellationToken);
            }

            break;
        }

        if (initialized)
        {
            // One after the other, as kubelet does: the second one's image is not even looked
            // for before the first one is created.
            foreach (var container in pod.Spec.Containers)
            {
                await KeepAsync(pod, container, config, Last(containers, container.Name), cancellationToken);
            }
        }

        await statuses.ReportAsync(
            pod, _sandbox, _podIP, initialized, new Dictionary<string, (string, string)>(_waiting), _probes,
            cancellationToken);
    }

    private async Task KeepAsync(
        V1Pod pod, V1Container container, PodSandboxConfig config, Container? last, CancellationToken cancellationToken)
    {
        switch (last?.State)
        {
            case ContainerState.ContainerRunning:
                if (await _probes.MustDieAsync(container, last.Id, _podIP, cancellationToken))
                {
                    await runtime.StopAsync(last.Id, pod.Spec.TerminationGracePeriodSeconds ?? 30, cancellationToken);
                }

                break;
            case ContainerState.ContainerExited:
                var code = (await runtime.ContainerAsync(last.Id, cancellationToken)).ExitCode;
                if (pod.Spec.RestartPolicy is null or "Always"
                    || container.RestartPolicy == "Always"
                    || (pod.Spec.RestartPolicy == "OnFailure" && code != 0))
                {
                    await RestartAsync(pod, container, config, last, cancellationToken);
                }

                break;
            case null:
                await StartAsync(pod, container, config, last, cancellationToken);
                break;
        }
    }

    private async Task RestartAsync(
        V1Pod pod, V1Container container, PodSandboxConfig config, Container last, CancellationToken cancellationToken)
    {
        var now = DateTime.UtcNow;
        var (failures, until) = _backoff.GetValueOrDefault(container.Name);
        if (until > now)
        {
            if (!_waiting.ContainsKey(container.Name))
            {
                _waiting[container.Name] = ("CrashLoopBackOff", "back-off restarting failed container");
            }

            return;
        }

        _backoff[container.Name] = (failures + 1, now.AddSeconds(Math.Min(300, 10 * Math.Pow(2, failures))));
        await StartAsync(pod, container, config, last, cancellationToken);
    }

    private async Task StartAsync(
        V1Pod pod, V1Container container, PodSandboxConfig config, Container? last, CancellationToken cancellationToken)
    {
        var attempt = last is null ? 0 : (int)last.Metadata.Attempt + 1;
        if (await runtime.ImageAsync(container.Image!, cancellationToken) is null)
        {
            // Without a registry, what is not on the node cannot be had.
            var never = container.More?.TryGetValue("imagePullPolicy", out var policy) == true
                && policy.GetString() == "Never";
            _waiting[container.Name] = never
                ? (
                    "ErrImageNeverPull",
                    $"Container image \"{container.Image}\" is not present with pull policy of Never")
                : (
                    "ImagePullBackOff",
                    $"Back-off pulling image \"{container.Image}\": it is not on the node, which has no registry");
            return;
        }

        string id;
        try
        {
            var sources = await PodSources.LoadAsync(pod, kubernetes, cancellationToken);
            Volumes.Prepare(pod, sources, options);
            id = await runtime.CreateAsync(
                _sandbox!, PodMapping.Container(pod, container, attempt, sources, options), config, cancellationToken);
        }
        catch (NotSupportedException exception)
        {
            _waiting[container.Name] = ("CreateContainerConfigError", exception.Message);
            return;
        }
        catch (Exception exception) when (exception is RpcException or IOException)
        {
            _waiting[container.Name] = ("CreateContainerError", exception.Message);
            return;
        }

        try
        {
            await runtime.StartAsync(id, cancellationToken);
            _waiting.Remove(container.Name);
        }
        catch (RpcException exception)
        {
            _waiting[container.Name] = ("RunContainerError", exception.Status.Detail);
        }
    }

    private async Task TerminateAsync(CancellationToken cancellationToken)
    {
        var grace = _orphan ? 0 : _pod?.Metadata.DeletionGracePeriodSeconds ?? 30;
        if (_sandbox is not null)
        {
            var containers = await runtime.ContainersAsync(_sandbox, cancellationToken);
            await Task.WhenAll(containers
                .Where(c => c.State == ContainerState.ContainerRunning)
                .Select(c => StopAsync(c, grace, cancellationToken)));
            await runtime.StopSandboxAsync(_sandbox, cancellationToken);
            await runtime.RemoveSandboxAsync(_sandbox, cancellationToken);
        }

        if (_pod is { } pod)
        {
            PodSlice.Remove(pod, options);
            Volumes.Remove(PodMapping.PodDirectory(pod, options));
            if (!_orphan)
            {
                await statuses.RemoveAsync(pod, cancellationToken);
            }
        }
    }

    /// <summary>With its preStop hook, which kubelet runs whenever there is any time for it.</summary>
    private async Task StopAsync(Container container, long grace, CancellationToken cancellationToken)
    {
        var spec = _pod?.Spec.Containers.FirstOrDefault(c => c.Name == container.Metadata.Name);
        if (grace > 0 && spec is not null && PodMapping.PreStop(spec) is { Count: > 0 } command)
        {
            try
            {
                await runtime.ExecAsync(container.Id, command, (int)Math.Max(grace, 2), cancellationToken);
            }
            catch (RpcException exception)
            {
                // kubelet makes an event of it, and goes on.
                KubeletLog.SyncFailed(logger, exception, _pod!.Metadata.Uid!);
            }
        }

        await runtime.StopAsync(container.Id, grace, cancellationToken);
    }

    private static Container? Last(IEnumerable<Container> containers, string name) =>
        containers.Where(c => c.Metadata.Name == name).MaxBy(c => c.Metadata.Attempt);
}
