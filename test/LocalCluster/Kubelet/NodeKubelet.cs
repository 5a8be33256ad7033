using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.TestKubelet.Pods;

namespace PodCheckpointing.TestKubelet;

/// <summary>Registers the node and gives every pod that is bound to it a worker.</summary>
internal sealed class NodeKubelet(
    IKubernetes kubernetes, CriRuntime runtime, IOptions<KubeletOptions> options, ILogger<NodeKubelet> logger)
    : BackgroundService
{
    private readonly KubeletOptions _options = options.Value;
    private readonly ConcurrentDictionary<string, PodWorker> _workers = new();

    /// <summary>The worker of the pod of a name, for the checkpoint endpoint.</summary>
    public PodWorker? Find(string namespaceName, string name) =>
        _workers.Values.FirstOrDefault(
            w => w.Pod?.Metadata.NamespaceProperty == namespaceName && w.Pod?.Metadata.Name == name);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var heartbeat = HeartbeatAsync(stoppingToken);
        var statuses = new PodStatusWriter(kubernetes, runtime, _options);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await FollowAsync(statuses, stoppingToken);
            }
            // A request's own time that is over is cancelled, too: the server is away for a while.
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                KubeletLog.WatchFailed(logger, exception);
                await Task.Delay(TimeSpan.FromSeconds(1), stoppingToken);
            }
        }

        await heartbeat;
    }

    private async Task FollowAsync(PodStatusWriter statuses, CancellationToken cancellationToken)
    {
        var mine = new ListOptions { FieldSelector = $"spec.nodeName={_options.NodeName}" };
        var list = await kubernetes.ListAsync<V1Pod>(mine, cancellationToken);
        foreach (var pod in list.Items)
        {
            WorkerOf(pod.Metadata.Uid!, statuses, cancellationToken).Update(pod);
        }

        // What the runtime still runs of pods that are gone.
        var known = list.Items.Select(p => p.Metadata.Uid).ToHashSet();
        foreach (var uid in (await runtime.SandboxesAsync(cancellationToken)).Select(s => s.Metadata.Uid)
            .Concat(_workers.Keys).Distinct().Where(uid => !known.Contains(uid)).ToList())
        {
            WorkerOf(uid, statuses, cancellationToken).Orphan();
        }

        var watch = mine with { ResourceVersion = list.Metadata.ResourceVersion, Timeout = TimeSpan.FromMinutes(5) };
        await foreach (var (type, pod) in kubernetes.WatchAsync<V1Pod>(watch, cancellationToken))
        {
            switch (type)
            {
                case WatchEventType.Deleted:
                    if (_workers.TryGetValue(pod.Metadata.Uid!, out var worker))
                    {
                        worker.Orphan();
                    }

                    break;
                case WatchEventType.Added or WatchEventType.Modified:
                    WorkerOf(pod.Metadata.Uid!, statuses, cancellationToken).Update(pod);
                    break;
            }
        }
    }

    private PodWorker WorkerOf(string uid, PodStatusWriter statuses, CancellationToken cancellationToken) =>
        _workers.GetOrAdd(uid, key =>
        {
            var worker = new PodWorker(runtime, kubernetes, statuses, _options, logger);
            var running = Task.Run(
                async () =>
                {
                    await worker.RunAsync(uid, cancellationToken);
                    _workers.TryRemove(KeyValuePair.Create(uid, worker));
                    worker.Dispose();
                },
                cancellationToken);
            _ = running;
            return worker;
        });

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await RegisterAsync(cancellationToken);
                await Task.Delay(TimeSpan.FromSeconds(10), cancellationToken);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                KubeletLog.WatchFailed(logger, exception);
                await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
            }
        }
    }

    private async Task RegisterAsync(CancellationToken cancellationToken)
    {
        var version = await runtime.VersionAsync(cancellationToken);
        var now = DateTime.UtcNow;
        var status = new V1NodeStatus
        {
            Addresses = [new V1NodeAddress { Type = "InternalIP", Address = _options.NodeIP }],
            Conditions =
            [
                new V1NodeCondition
                {
                    Type = "Ready", Status = "True", Reason = "KubeletReady", Message = "the test kubelet is ready",
                    LastHeartbeatTime = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond)),
                },
            ],
            RuntimeHandlers = [.. (await runtime.HandlersAsync(cancellationToken)).Select(
                name => new V1NodeRuntimeHandler { Name = name })],
            NodeInfo = new V1NodeSystemInfo
            {
                KubeletVersion = "test-kubelet",
                KernelVersion = File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
                ContainerRuntimeVersion = $"{version.RuntimeName}://{version.RuntimeVersion}",
                OsImage = "Debian GNU/Linux sid",
            },
        };
        var node = new V1Node { Metadata = new V1ObjectMeta { Name = _options.NodeName } };
        try
        {
            await kubernetes.CreateAsync(node, cancellationToken);
            KubeletLog.Registered(logger, _options.NodeName);
        }
        catch (KubernetesException exception) when (exception.IsAlreadyExists)
        {
            // Registered before.
        }

        await kubernetes.PatchAsync<V1Node>(
            null, _options.NodeName, "status", PatchType.Merge,
            $$"""{"status":{{KubernetesJson.Serialize(status)}}}""", "kubelet", cancellationToken);
    }
}
