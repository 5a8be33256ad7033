using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.Nodes;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Manager.Retention;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>One life of the operator: the real reconcilers, queues and pending calls.</summary>
internal sealed class SimulatedOperator : IDisposable, ILeadership
{
    private const int Workers = 4;
    private readonly Caller _caller = new();
    private readonly Operations _operations;
    private readonly World _world;
    private readonly List<Loop> _loops;
    private readonly CancellationTokenSource _stopping = new();
    private readonly LeaderSweep[] _sweeps;
    private bool _sweeping;

    public SimulatedOperator(
        SimulatedServer server, World world, Operations operations, VirtualTime time, Random random, bool learns)
    {
        Scheduler = new SeededScheduler(random);
        _world = world;
        _operations = operations;
        Cluster = new SimulatedCluster(server, operations, _caller, this, learns);
        var agents = new SimulatedAgents(_caller, world, operations, time);
        var calls = new PendingCalls(Scheduler, this, _stopping.Token);
        var events = new NoEvents();
        Slots = new MigrationSlots(Cluster, Options.Create(new OperatorOptions { Migrations = world.Limits }));
        var lost = new LostNodes(Cluster, time);
        Cluster.Saw += item =>
        {
            if (item is V1Node node)
            {
                lost.Observe(node);
            }
        };
        var release = new ContentRelease(Cluster, agents, calls, events, Options.Create(new OperatorOptions()), time);
        var sharedBytes = new SharedBytes(Cluster, release, time);
        var rules = Options.Create(new OperatorOptions { Retention = world.Retention });
        _sweeps =
        [
            new MigrationSweep(Cluster, this, [], rules, time, NullLogger<MigrationSweep>.Instance),
            new RetentionSweep(Cluster, agents, events, this, [], rules, time, NullLogger<RetentionSweep>.Instance),
        ];
        _loops =
        [
            NewLoop<PodMigration>(
                Triggers.OfMigrations,
                q => new PodMigrationReconciler(Cluster, agents, lost, calls, Slots, events, q, time)),
            NewLoop<PodCheckpoint>(
                Triggers.OfPodCheckpoints,
                q => new PodCheckpointReconciler(Cluster, agents, lost, calls, events, q, time)),
            NewLoop<ContainerCheckpoint>(
                Triggers.OfContainerCheckpoints,
                q => new ContainerCheckpointReconciler(Cluster, agents, lost, calls, events, q, time)),
            NewLoop<PodCheckpointContent>(
                Triggers.OfPodContents,
                q => new PodCheckpointContentReconciler(
                    Cluster, agents, calls, release, sharedBytes, events, q, time)),
            NewLoop<ContainerCheckpointContent>(
                Triggers.OfContainerContents,
                q => new ContainerCheckpointContentReconciler(Cluster, release, sharedBytes, events, q, time)),
            NewLoop<V1Pod>(Triggers.OfRestores, q => new PodRestoreReconciler(Cluster, agents, calls, events, q, time)),
            NewLoop<CheckpointNode>(
                Triggers.OfNodes, q => new CheckpointNodeReconciler(
                    Cluster, agents, calls, events, Options.Create(new OperatorOptions()), new Home("default"),
                    q, time)),
        ];

        // The first list of Nodes tells of each.
        foreach (var node in Cluster.All<V1Node>())
        {
            _loops[^1].Queue.Add(ObjectKey.Of(node));
        }

        Loop NewLoop<TPrimary>(Action<ITriggers> triggers, Func<WorkQueue, IReconciler> make)
            where TPrimary : class, IKubernetesObject<V1ObjectMeta>
        {
            var queue = new WorkQueue(time);
            triggers(new SimulatedTriggers(Cluster, queue).Watch<TPrimary>((item, _) => [ObjectKey.Of(item)]));
            foreach (var item in Cluster.All<TPrimary>())
            {
                queue.Add(ObjectKey.Of(item));
            }

            return new Loop(queue, make(queue));
        }
    }

    public SimulatedCluster Cluster { get; }

    public SeededScheduler Scheduler { get; }

    public MigrationSlots Slots { get; }

    public Task Acquired => Task.CompletedTask;

    /// <summary>It never learns in time: whether it leads it must ask.</summary>
    public CancellationToken Lost => CancellationToken.None;

    public bool Leads => !_caller.IsDeposed;

    /// <summary>Whether something of it is on its way.</summary>
    public bool HasSent => _operations.HasSent(_caller);

    /// <summary>Whether a call of it is being carried out just now.</summary>
    public bool IsHeard => _operations.Carried == _caller;

    /// <summary>Counts the operators.</summary>
    public int Lives { get; init; }

    /// <summary>A look at every migration, as each has every few seconds.</summary>
    public void Look()
    {
        foreach (var migration in Cluster.All<PodMigration>())
        {
            _loops[0].Queue.Add(ObjectKey.Of(migration));
        }
    }

    public bool HasWork => _loops.Any(l => l.Queue.Count > 0 && l.Busy < Workers);

    /// <summary>Begins one run.</summary>
    public void Reconcile(Random random)
    {
        var loops = _loops.Where(l => l.Queue.Count > 0 && l.Busy < Workers).ToList();
        var loop = loops[random.Next(loops.Count)];
        var key = loop.Queue.GetAsync(CancellationToken.None).GetAwaiter().GetResult();
        loop.Busy++;
        _ = Task.Factory.StartNew(
            () => RunAsync(loop, key), CancellationToken.None, TaskCreationOptions.DenyChildAttach, Scheduler);
    }

    /// <summary>Begins a look at what has become old, unless one is under way.</summary>
    public void Sweep()
    {
        if (!_sweeping)
        {
            _sweeping = true;
            _ = Task.Factory.StartNew(
                SweepAsync, CancellationToken.None, TaskCreationOptions.DenyChildAttach, Scheduler);
        }
    }

    /// <summary>Its lease ends, and it goes on as if it had it still: it was slow, or
    /// cut off from the API server.</summary>
    /// <param name="late">Whether all that it has sent arrives late.</param>
    public void Depose(bool late)
    {
        _caller.IsDeposed = true;
        _operations.Abandon(_caller, late);
    }

    /// <summary>kill -9.</summary>
    public void Dispose()
    {
        _caller.IsDead = true;
        _operations.Abandon(_caller, late: false);
        Cluster.Die();
        Scheduler.Clear();
        _stopping.Dispose();
        foreach (var loop in _loops)
        {
            loop.Queue.Dispose();
        }
    }

    /// <summary>As LeaderSweep does, of which each has its own time.</summary>
    private async Task SweepAsync()
    {
        try
        {
            foreach (var sweep in _sweeps)
            {
                await sweep.SweepAsync(_stopping.Token);
            }
        }
        catch (Exception exception)
            when (exception is AgentException or HttpRequestException or KubernetesException or ConflictException
            || (exception is OperationCanceledException && !Leads))
        {
            // The next look comes, of whoever leads then.
        }
        catch (Exception exception) when (exception is not ObjectDisposedException)
        {
            _world.Violations.Add(exception.ToString());
        }
        finally
        {
            _sweeping = false;
        }
    }

    /// <summary>As Controller does; but a look that is only a net below the events is not taken,
    /// so that a lost event shows.</summary>
    private async Task RunAsync(Loop loop, ObjectKey key)
    {
        try
        {
            var result = await loop.Reconciler.ReconcileAsync(key, _stopping.Token);
            loop.Queue.Forget(key);
            if (result.RequeueAfter is { } delay
                && loop.Reconciler is not CheckpointNodeReconciler
                && (loop.Reconciler is not PodMigrationReconciler
                    || delay > PodMigrationReconciler.Resync
                    || delay <= StatusDrafts.Patience))
            {
                loop.Queue.AddAfter(key, delay);
            }
        }
        catch (TerminalException)
        {
            loop.Queue.Forget(key);
        }
        catch (ConflictException)
        {
            loop.Queue.AddAfter(key, TimeSpan.FromMilliseconds(20));
        }
        catch (Exception exception) when (exception is AgentException or HttpRequestException or KubernetesException)
        {
            loop.Queue.AddRateLimited(key);
        }
        catch (OperationCanceledException) when (!Leads)
        {
            // Somebody else goes on.
        }
        catch (Exception exception) when (exception is not ObjectDisposedException)
        {
            // Controller would try again for ever; here it is a bug.
            _world.Violations.Add(exception.ToString());
        }
        finally
        {
            loop.Busy--;
            loop.Queue.Done(key);
        }
    }

    private sealed class Loop(WorkQueue queue, IReconciler reconciler)
    {
        public WorkQueue Queue { get; } = queue;

        public IReconciler Reconciler { get; } = reconciler;

        public int Busy { get; set; }
    }

    /// <summary>Hangs a controller's triggers on what the cluster sees.</summary>
    private sealed class SimulatedTriggers(SimulatedCluster cluster, WorkQueue queue) : ITriggers
    {
        public ITriggers Watch<T>(Func<T, ICluster, IEnumerable<ObjectKey>> map)
            where T : class, IKubernetesObject<V1ObjectMeta>
        {
            cluster.Saw += item =>
            {
                if (item is T one)
                {
                    foreach (var key in map(one, cluster))
                    {
                        queue.Add(key);
                    }
                }
            };
            return this;
        }
    }

    private sealed class NoEvents : IEventRecorder
    {
        public void Record(IKubernetesObject<V1ObjectMeta> about, string type, string reason, string message)
        {
        }
    }
}
