using System.Collections.Concurrent;
using k8s;
using k8s.Models;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestControllers;

// What of kube-controller-manager the bench has when it is asked for: Deployments, ReplicaSets, EndpointSlices.
var builder = Host.CreateApplicationBuilder(args);
var services = builder.Services;
services.AddSingleton(TimeProvider.System);
services.AddSingleton<IKubernetes>(
    new Kubernetes(KubernetesClientConfiguration.BuildConfigFromConfigFile(
        builder.Configuration["Kubeconfig"] ?? throw new InvalidOperationException("--Kubeconfig=FILE is missing"),
        context: null)));
services.AddSingleton<ICluster>(
    s => new Cluster(s, s.GetRequiredService<IKubernetes>(), "bench-controllers", new SoleLeader()));
services.AddSingleton<Expectations>();
Add<DeploymentReconciler, V1Deployment>(
    (s, queue) => s.GetRequiredService<Informer<V1ReplicaSet>>().AddEventHandler(set =>
    Wake(queue, set, "Deployment")));
Add<ReplicaSetReconciler, V1ReplicaSet>((s, queue) =>
{
    var pods = s.GetRequiredService<Informer<V1Pod>>();
    var sets = s.GetRequiredService<Informer<V1ReplicaSet>>();
    var owners = new ConcurrentDictionary<string, ObjectKey>();
    pods.AddEventHandler(pod =>
    {
        var gone = pods.Find(ObjectKey.Of(pod))?.Metadata.Uid != pod.Metadata.Uid;
        s.GetRequiredService<Expectations>().Saw(pod, gone);
        var owner = Wake(queue, pod, "ReplicaSet");
        // Whose it was before is told, too.
        if (owners.TryGetValue(pod.Metadata.Uid!, out var before) && before != owner)
        {
            queue.Add(before);
        }

        if (owner is { } now && !gone)
        {
            owners[pod.Metadata.Uid!] = now;
        }
        else
        {
            owners.TryRemove(pod.Metadata.Uid!, out _);
        }

        if (owner is null)
        {
            foreach (var set in sets.All.Where(set => Claims.Of(set, pod) == Claim.Adopt))
            {
                queue.Add(ObjectKey.Of(set));
            }
        }
    });
});
Add<EndpointSliceReconciler, V1Service>((s, queue) =>
{
    var known = s.GetRequiredService<Informer<V1Service>>();
    s.GetRequiredService<Informer<V1Pod>>().AddEventHandler(pod =>
    {
        foreach (var service in known.All.Where(k => k.Metadata.NamespaceProperty == pod.Metadata.NamespaceProperty))
        {
            queue.Add(ObjectKey.Of(service));
        }
    });
});
AddInformer<V1Node>();
AddInformer<V1Pod>();
AddInformer<V1Service>();
AddInformer<V1EndpointSlice>();
AddInformer<V1Deployment>();
AddInformer<V1ReplicaSet>();
await builder.Build().RunAsync();

static ObjectKey? Wake(WorkQueue queue, IKubernetesObject<V1ObjectMeta> item, string kind)
{
    if (Pods.ControllerOf(item) is not { } owner || owner.Kind != kind)
    {
        return null;
    }

    var key = new ObjectKey(item.Metadata.NamespaceProperty, owner.Name);
    queue.Add(key);
    return key;
}

void Add<TReconciler, T>(Action<IServiceProvider, WorkQueue> triggers)
    where TReconciler : class, IReconciler
    where T : class, IKubernetesObject<V1ObjectMeta> =>
    services.AddSingleton<IHostedService>(s =>
    {
        var queue = new WorkQueue(s.GetRequiredService<TimeProvider>(), TimeSpan.FromSeconds(5));
        s.GetRequiredService<Informer<T>>().AddEventHandler(item => queue.Add(ObjectKey.Of(item)));
        triggers(s, queue);
        return new Controller(
            typeof(T).Name, queue, ActivatorUtilities.CreateInstance<TReconciler>(s), [.. s.GetServices<IInformer>()],
            new SoleLeader(),
            workers: 2, s.GetRequiredService<ILogger<TReconciler>>());
    });

void AddInformer<T>()
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    services.AddSingleton<Informer<T>>();
    services.AddSingleton<IInformer>(s => s.GetRequiredService<Informer<T>>());
    services.AddHostedService(s => s.GetRequiredService<Informer<T>>());
}
