using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Manager;

/// <summary>Puts informers, queues and controllers together.</summary>
internal static class Wiring
{
    /// <summary>Short beside a migration's timeout: a pod may stand still meanwhile, and only a run sees the deadline.</summary>
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);

    public static void AddCluster(this IServiceCollection services)
    {
        services.AddInformer<V1Pod>().AddInformer<V1Node>()
            .AddInformer<PodMigration>().AddInformer<PodCheckpoint>().AddInformer<ContainerCheckpoint>()
            .AddInformer<PodCheckpointContent>().AddInformer<ContainerCheckpointContent>();
        services.AddSingleton<ICluster>(s => new Cluster(s, s.GetRequiredService<IKubernetes>(), "pod-checkpointing"));
    }

    public static void AddController<TReconciler, TPrimary>(
        this IServiceCollection services, Action<ControllerTriggers> triggers)
        where TReconciler : class, IReconciler
        where TPrimary : class, IKubernetesObject<V1ObjectMeta> =>
        services.AddSingleton<IHostedService>(provider =>
        {
            var queue = new WorkQueue(provider.GetRequiredService<TimeProvider>(), LongestRetry, typeof(TPrimary).Name);
            provider.GetRequiredService<Informer<TPrimary>>().OnChange(item => queue.Add(ObjectKey.Of(item)));
            triggers(new ControllerTriggers(provider, queue));
            return new Controller(
                typeof(TPrimary).Name,
                queue,
                new MeasuredReconciler(
                    ActivatorUtilities.CreateInstance<TReconciler>(provider, queue),
                    typeof(TPrimary).Name,
                    provider.GetRequiredService<TimeProvider>()),
                [.. provider.GetServices<IInformer>()],
                provider.GetRequiredService<ILeadership>(),
                provider.GetRequiredService<IOptions<OperatorOptions>>().Value.Workers,
                provider.GetRequiredService<ILogger<TReconciler>>());
        });

    /// <summary>One operator of several acts; the others are ready to.</summary>
    public static void AddLeadership(this IServiceCollection services, OperatorOptions options, string defaultNamespace)
    {
        if (!options.LeaderElection)
        {
            services.AddSingleton<ILeadership, SoleLeader>();
            return;
        }

        services.AddSingleton(new LeaderElectionOptions
        {
            Namespace = options.LeaseNamespace ?? defaultNamespace,
            Name = "pod-checkpointing-operator",
            Identity = $"{Environment.MachineName}_{Guid.NewGuid():N}",
            LeaseDuration = TimeSpan.FromSeconds(options.LeaseDurationSeconds),
            RenewDeadline = TimeSpan.FromSeconds(options.LeaseDurationSeconds * 2 / 3),
            RetryPeriod = TimeSpan.FromSeconds(options.LeaseDurationSeconds * 2 / 15),
        });
        services.AddSingleton<LeaderElection>();
        services.AddSingleton<ILeadership>(s => s.GetRequiredService<LeaderElection>());
        services.AddHostedService(s => s.GetRequiredService<LeaderElection>());
    }

    private static IServiceCollection AddInformer<T>(this IServiceCollection services)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        services.AddSingleton<Informer<T>>();
        services.AddSingleton<IInformer>(s => s.GetRequiredService<Informer<T>>());
        // Started after the controllers have hung their triggers on: the order of registration is the order of start,
        // and all hosted services are made before the first one starts.
        return services.AddHostedService(s => s.GetRequiredService<Informer<T>>());
    }
}

/// <summary>Which other objects' changes wake a controller.</summary>
internal sealed class ControllerTriggers(IServiceProvider services, WorkQueue queue)
{
    public ControllerTriggers Watches<T>(Func<T, ObjectKey?> key)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        services.GetRequiredService<Informer<T>>().OnChange(item =>
        {
            if (key(item) is { } found)
            {
                queue.Add(found);
            }
        });
        return this;
    }

    public ControllerTriggers WatchesAll<T>(Func<T, ICluster, IEnumerable<IKubernetesObject<V1ObjectMeta>>> owners)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        services.GetRequiredService<Informer<T>>().OnChange(item =>
        {
            foreach (var owner in owners(item, services.GetRequiredService<ICluster>()))
            {
                queue.Add(ObjectKey.Of(owner));
            }
        });
        return this;
    }
}
