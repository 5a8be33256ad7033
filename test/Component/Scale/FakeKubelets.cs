using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Component.Scale;

/// <summary>The kubelets of all nodes: they say that pods run, and remove those that are deleted.</summary>
internal sealed class FakeKubelets(
    IKubernetes client, ConcurrentDictionary<string, Receiver> receivers) : IAsyncDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentDictionary<(string Uid, string What), Task> _work = new();
    private Task _watch = Task.CompletedTask;

    /// <summary>What a kubelet would say of a pod whose containers run.</summary>
    public static string Running(V1Pod pod) => KubernetesJson.Serialize(new
    {
        status = new V1PodStatus
        {
            Phase = "Running",
            ContainerStatuses =
            [
                .. pod.Spec.Containers.Select(c => new V1ContainerStatus
                {
                    Name = c.Name, Ready = true,
                    RestartCount = 0, State = new V1ContainerState { Running = new V1ContainerStateRunning() },
                }),
            ],
        },
    });

    public void Start() => _watch = WatchAsync();

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        await Task.WhenAll(_work.Values.Append(_watch)).ContinueWith(_ => { }, TaskScheduler.Default);
        _ending.Dispose();
    }

    private async Task WatchAsync()
    {
        while (true)
        {
            var list = await client.ListAsync<V1Pod>(new ListOptions(), _ending.Token);
            foreach (var pod in list.Items)
            {
                See(pod);
            }

            try
            {
                await foreach (var (type, pod) in client.WatchAsync<V1Pod>(
                    new ListOptions { ResourceVersion = list.Metadata.ResourceVersion }, _ending.Token))
                {
                    if (type is WatchEventType.Added or WatchEventType.Modified)
                    {
                        See(pod);
                    }
                }
            }
            catch (Exception exception) when (!_ending.IsCancellationRequested
                && exception is KubernetesException or HttpRequestException or IOException)
            {
                // It lists again.
            }
        }
    }

    private void See(V1Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            Once(pod, "remove", () => client.DeleteAsync<V1Pod>(
                pod.Metadata.NamespaceProperty, pod.Metadata.Name!, new V1DeleteOptions { GracePeriodSeconds = 0 },
                _ending.Token));
        }
        else if (pod.Spec.RuntimeClassName == WellKnown.RestoreRuntimeClass
            && pod.Status?.ContainerStatuses is null or { Count: 0 })
        {
            Once(pod, "run", async () =>
            {
                var receiver = receivers.GetOrAdd(pod.Metadata.Uid!, _ => new Receiver());
                receiver.Wait();
                await receiver.Runs.WaitAsync(_ending.Token);
                await client.PatchAsync<V1Pod>(
                    pod.Metadata.NamespaceProperty, pod.Metadata.Name!, "status", PatchType.Merge, Running(pod),
                    "kubelet", _ending.Token);
            });
        }
    }

    private void Once(V1Pod pod, string what, Func<Task> work) =>
        _work.GetOrAdd((pod.Metadata.Uid!, what), _ => Task.Run(async () =>
        {
            try
            {
                await work();
            }
            catch (KubernetesException exception) when (exception.IsNotFound || exception.IsConflict)
            {
                // Gone meanwhile.
            }
        }));
}
