using System.Collections.Concurrent;
using System.Diagnostics;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Metrics;

/// <summary>One trace for each migration, and for each checkpoint that is taken by itself.</summary>
/// <remarks>
/// Its id is the object's uid, which is as long and as random: whoever knows the migration finds the trace, and nothing
/// needs to be stored for it. An operator that takes over goes on in the same trace with a root span of its own.
/// </remarks>
internal sealed class MigrationTraces(ICluster cluster)
{
    public const string SourceName = "PodCheckpointing.Operator";

    /// <summary>More are under way at once only when their ends go unseen.</summary>
    private const int Most = 1000;

    private static readonly ActivitySource Source = new(SourceName);
    private static readonly AsyncLocal<ActivityTraceId?> Wanted = new();
    private readonly ConcurrentDictionary<string, Activity> _roots = new();

    static MigrationTraces() => Activity.TraceIdGenerator = () => Wanted.Value ?? ActivityTraceId.CreateRandom();

    /// <summary>A reconciler whose runs are spans.</summary>
    public IReconciler Around<T>(IReconciler inner)
        where T : class, IKubernetesObject<V1ObjectMeta> => new TracedReconciler<T>(this, inner);

    /// <summary>Ends the trace of a migration that has ended, and tells its steps as they are written in it.</summary>
    public void Observe(PodMigration migration)
    {
        if (migration.Status is not { CompletionTime: not null } status
            || !_roots.TryRemove(migration.Metadata.Uid!, out var root))
        {
            return;
        }

        foreach (var step in status.Steps ?? [])
        {
            if (step is { StartedAt: { } from, FinishedAt: { } to })
            {
                using var span = Source.StartActivity(
                    ActivityKind.Internal, root.Context, startTime: from, name: $"step {step.Name}");
                span?.SetEndTime(to);
            }
        }

        root.SetTag("podmigration.outcome", status.Outcome)
            .SetTag("podmigration.downtime_ms", status.DowntimeMilliseconds)
            .SetTag("podmigration.checkpoint_bytes", status.CheckpointBytes)
            .SetTag("podmigration.source_node", status.SourceNode)
            .SetTag("podmigration.target_node", status.TargetNode);
        End(root, status.Conditions.IsTrue(ConditionTypes.Ready), status.Message);
    }

    /// <summary>Ends the trace of a checkpoint that stands by itself.</summary>
    public void Observe(PodCheckpoint checkpoint)
    {
        if (HasEnded(checkpoint) && _roots.TryRemove(checkpoint.Metadata.Uid!, out var root))
        {
            End(root, checkpoint.Status!.Ready == true, checkpoint.Status.Error?.Message);
        }
    }

    /// <summary>A span for a run; none when nobody listens, or when what it is about has ended.</summary>
    internal Activity? StartRun<T>(ObjectKey key)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (!Source.HasListeners()
            || cluster.Find<T>(key) is not { } item
            || TopOf(item) is not { } top
            || HasEnded(top))
        {
            return null;
        }

        if (_roots.Count >= Most)
        {
            _roots.Clear();
        }

        if (!_roots.TryGetValue(top.Metadata.Uid!, out var root))
        {
            if (Begin(top) is not { } begun)
            {
                return null;
            }

            root = _roots.GetOrAdd(top.Metadata.Uid!, begun);
        }

        // A run that is not sampled has no span; that the trace is not sampled travels on with the calls all the same.
        Activity.Current = root;
        return Source.StartActivity(ActivityKind.Internal, root.Context, name: $"reconcile {typeof(T).Name}")
            ?.SetTag("k8s.object.name", key.Name);
    }

    private static Activity? Begin(IKubernetesObject<V1ObjectMeta> top)
    {
        var before = Activity.Current;
        try
        {
            Activity.Current = null;
            Wanted.Value = Guid.TryParse(top.Metadata.Uid, out var uid)
                ? ActivityTraceId.CreateFromString(uid.ToString("N"))
                : null;
            return Source.StartActivity(top.Kind, ActivityKind.Internal)
                ?.SetTag("k8s.namespace.name", top.Metadata.NamespaceProperty)
                .SetTag("k8s.object.name", top.Metadata.Name)
                .SetTag("k8s.object.uid", top.Metadata.Uid)
                .SetTag("k8s.pod.name", (top as PodMigration)?.Spec.PodName ?? (top as PodCheckpoint)?.Spec.PodName);
        }
        finally
        {
            Wanted.Value = null;
            Activity.Current = before;
        }
    }

    /// <summary>What an object was made for in the end.</summary>
    private IKubernetesObject<V1ObjectMeta>? TopOf(IKubernetesObject<V1ObjectMeta> item) => item switch
    {
        ContainerCheckpoint container => container.ControllerKey(nameof(PodCheckpoint)) is { } owner
            && cluster.Find<PodCheckpoint>(owner) is { } checkpoint ? TopOf(checkpoint) : null,
        PodCheckpoint checkpoint when checkpoint.ControllerKey(nameof(PodMigration)) is { } owner =>
            cluster.Find<PodMigration>(owner),
        PodCheckpoint or PodMigration => item,
        _ => null,
    };

    private static bool HasEnded(IKubernetesObject<V1ObjectMeta> top) =>
        top is PodMigration { Status.CompletionTime: not null }
            or PodCheckpoint { Status: { Ready: true } or { Error: not null } };

    private static void End(Activity root, bool success, string? message)
    {
        root.SetStatus(success ? ActivityStatusCode.Ok : ActivityStatusCode.Error, success ? null : message);
        root.Stop();
    }

    private sealed class TracedReconciler<T>(MigrationTraces traces, IReconciler inner) : IReconciler
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
        {
            using var span = traces.StartRun<T>(key);
            try
            {
                return await inner.ReconcileAsync(key, cancellationToken);
            }
            catch (Exception exception)
            {
                // A stale read is no failure.
                span?.SetTag("error.type", exception.GetType().Name).SetStatus(
                    exception is ConflictException ? ActivityStatusCode.Unset : ActivityStatusCode.Error);
                throw;
            }
        }
    }
}
