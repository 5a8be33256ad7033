using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Manager.Nodes;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Manager.Retention;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Manager;

/// <summary>Puts informers, queues and controllers together.</summary>
internal static class Wiring
{
    /// <summary>Short beside a migration's timeout: a pod may stand still meanwhile, and
    /// only a run sees the deadline.</summary>
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(10);

    public static void AddCluster(this IServiceCollection services)
    {
        services.AddInformer(
            Indexes.PodsByMigration, Indexes.PodsByNode, Indexes.RestoringPodsByNamespace, Indexes.PodsWithAntiAffinity,
            Indexes.AgentPods);
        services.AddInformer<V1Node>();
        services.AddInformer(Indexes.EndpointSlicesByService);
        services.AddInformer(
            EndedMigrations.Strip,
            Indexes.MigrationsByUid, Indexes.MigrationsByPodUid, Indexes.MigrationsByPod, Indexes.MigrationsByService,
            Indexes.MigrationsBySourceNode, Indexes.MigrationsByTargetNode);
        services.AddInformer(
            Indexes.PodCheckpointsByContent, Indexes.PodCheckpointsByArtifact, Indexes.TerminatingPodCheckpoints);
        services.AddInformer(Indexes.ContainerCheckpointsByOwner, Indexes.TerminatingContainerCheckpoints);
        services.AddInformer(Indexes.PodContentsByCheckpoint);
        services.AddInformer(Indexes.ContainerContentsByClaim, Indexes.ContainerContentsByCheckpoint);
        services.AddInformer<CheckpointNode>();
        services.AddSingleton<ICluster>(s => new Cluster(
            s, s.GetRequiredService<IKubernetes>(), "pod-checkpointing", s.GetRequiredService<ILeadership>()));
    }

    public static void AddReconcilers(this IServiceCollection services)
    {
        services.AddSingleton<ContentRelease>();
        services.AddSingleton<SharedBytes>();
        services.AddSingleton<MigrationSlots>();
        services.AddSingleton(provider =>
        {
            var lost = ActivatorUtilities.CreateInstance<LostNodes>(provider);
            provider.GetRequiredService<Informer<V1Node>>().AddEventHandler(lost.Observe);
            return lost;
        });
        services.AddController<PodMigrationReconciler, PodMigration>(Triggers.OfMigrations);
        services.AddController<PodCheckpointReconciler, PodCheckpoint>(Triggers.OfPodCheckpoints);
        services.AddController<ContainerCheckpointReconciler, ContainerCheckpoint>(Triggers.OfContainerCheckpoints);
        services.AddController<PodCheckpointContentReconciler, PodCheckpointContent>(Triggers.OfPodContents);
        services.AddController<ContainerCheckpointContentReconciler, ContainerCheckpointContent>(
            Triggers.OfContainerContents);
        services.AddController<PodRestoreReconciler, V1Pod>(Triggers.OfRestores);
        services.AddController<CheckpointNodeReconciler, CheckpointNode>(Triggers.OfNodes);
        services.AddHostedService<RetentionSweep>();
        services.AddHostedService<MigrationSweep>();
    }

    private static void AddController<TReconciler, TPrimary>(
        this IServiceCollection services, Action<ITriggers> triggers)
        where TReconciler : class, IReconciler
        where TPrimary : class, IKubernetesObject<V1ObjectMeta> =>
        services.AddSingleton<IHostedService>(provider =>
        {
            var informer = provider.GetRequiredService<Informer<TPrimary>>();
            var options = provider.GetRequiredService<IOptions<OperatorOptions>>().Value;
            var slots = provider.GetRequiredService<MigrationSlots>();
            var queue = new WorkQueue(
                provider.GetRequiredService<TimeProvider>(), LongestRetry, RuntimeMetrics.KindOf(typeof(TPrimary)),
                key => informer.Find(key) is { } item && IsNew(item, slots),
                Math.Max(1, options.Workers / 2));
            informer.AddEventHandler(item => queue.Add(ObjectKey.Of(item)));
            triggers(new ControllerTriggers(provider, queue));
            return new Controller(
                typeof(TPrimary).Name,
                queue,
                new MeasuredReconciler(
                    provider.GetRequiredService<MigrationTraces>().Around<TPrimary>(
                        ActivatorUtilities.CreateInstance<TReconciler>(provider, queue)),
                    RuntimeMetrics.KindOf(typeof(TPrimary)),
                    provider.GetRequiredService<TimeProvider>(),
                    queue),
                [.. provider.GetServices<IInformer>()],
                provider.GetRequiredService<ILeadership>(),
                // As many again tidy up after those that have ended and have no slot any more.
                options.Workers + (2 * options.Migrations.ParallelPerCluster),
                provider.GetRequiredService<ILogger<TReconciler>>());
        });

    /// <summary>Nothing stands still for it yet: a thousand that come at once must not hold
    /// up one that is under way.</summary>
    private static bool IsNew(IKubernetesObject<V1ObjectMeta> item, MigrationSlots slots) => item switch
    {
        PodMigration { Metadata.DeletionTimestamp: null, Spec.Abort: not true } migration =>
            (migration.Status is null || MigrationSlots.Waits(migration)) && !slots.Holds(ObjectKey.Of(item)),
        PodCheckpoint { Status: null } checkpoint => checkpoint.ControllerKey(nameof(PodMigration)) is null,
        _ => false,
    };

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

    private static void AddInformer<T>(this IServiceCollection services, params ObjectIndex<T>[] indexes)
        where T : class, IKubernetesObject<V1ObjectMeta> => services.AddInformer(item => item, indexes);

    private static void AddInformer<T>(
        this IServiceCollection services, Func<T, T> transform, params ObjectIndex<T>[] indexes)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        services.AddSingleton(s =>
        {
            var informer = ActivatorUtilities.CreateInstance<Informer<T>>(s);
            informer.SetTransform(transform);
            foreach (var index in indexes)
            {
                informer.AddIndex(index);
            }

            return informer;
        });
        services.AddSingleton<IInformer>(s => s.GetRequiredService<Informer<T>>());
        // Started after the controllers have hung their triggers on: the order of registration is the order of start,
        // and all hosted services are made before the first one starts.
        services.AddHostedService(s => s.GetRequiredService<Informer<T>>());
    }
}

/// <summary>Hangs a controller's triggers on the informers.</summary>
internal sealed class ControllerTriggers(IServiceProvider services, WorkQueue queue) : ITriggers
{
    public ITriggers Watch<T>(Func<T, ICluster, IEnumerable<ObjectKey>> map)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        services.GetRequiredService<Informer<T>>().AddEventHandler(item =>
        {
            foreach (var key in map(item, services.GetRequiredService<ICluster>()))
            {
                queue.Add(key);
            }
        });
        return this;
    }
}
