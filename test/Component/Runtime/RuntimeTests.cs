using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Component.Api;

namespace PodCheckpointing.Component.Runtime;

/// <summary>The runtime against a real API server on a real etcd, each fixture with its own.</summary>
internal abstract class RuntimeTests
{
    protected ControlPlane Server { get; private set; } = null!;

    protected Kubernetes Client { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        Server = await ControlPlane.StartAsync(deadline.Token);
        Client = new Kubernetes(KubernetesClientConfiguration.BuildDefault(Server.Kubeconfig, context: null));
    }

    [OneTimeTearDown]
    public void Stop()
    {
        Client.Dispose();
        Server.Dispose();
    }

    protected static V1Pod Pod(string name, string image = "busybox") => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "default" },
        Spec = new V1PodSpec { Containers = [new V1Container { Name = "c", Image = image }] },
    };

    protected Task DeleteAsync(string name) =>
        Client.DeleteAsync<V1Pod>(
            "default", name, new V1DeleteOptions { GracePeriodSeconds = 0 }, CancellationToken.None);

    protected Task<V1Pod> LabelAsync(string name, string value) => Client.PatchAsync<V1Pod>(
        "default", name, null, PatchType.Merge, $$"""{"metadata":{"labels":{"l":"{{value}}"} } }""", "test",
        CancellationToken.None);
}
