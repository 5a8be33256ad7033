using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>One life of the operator: the real reconcilers, queues and pending calls.</summary>
internal sealed class SimulatedOperator : IDisposable
{
    private const int Workers = 4;
    private readonly SeededScheduler _scheduler;
    private readonly World _world;
    private readonly List<Loop> _loops;
    private readonly CancellationTokenSource _stopping = new();

    public SimulatedOperator(SimulatedServer server, World world, Operations operations, VirtualTime time, SeededScheduler scheduler)
    {
        _scheduler = scheduler;
        _world = world;
        Cluster = new SimulatedCluster(server, operations);
        var agents = new SimulatedAgents(world, operations, time);
        var calls = new PendingCalls(scheduler, _stopping.Token);
        var events = new NoEvents();
        Loop NewLoop(Func<WorkQueue, IReconciler> make)
        {
            var queue = new WorkQueue(time);
            return new Loop(queue, make(queue));
        }

        var migrations = NewLoop(q => new PodMigrationReconciler(Cluster, agents, calls, events, q, time));
        var checkpoints = NewLoop(q => new PodCheckpointReconciler(Cluster, agents, calls, events, q, time));
        var parts = NewLoop(q => new ContainerCheckpointReconciler(Cluster, agents, calls, events, q, time));
        _loops = [migrations, checkpoints, parts];

        // The same triggers as Program.cs hangs on the informers.
        Cluster.Saw += item =>
        {
            void Add(Loop loop, IEnumerable<IKubernetesObject<V1ObjectMeta>> items)
            {
                foreach (var one in items)
                {
                    loop.Queue.Add(ObjectKey.Of(one));
                }
            }

            switch (item)
            {
                case PodMigration:
                    migrations.Queue.Add(ObjectKey.Of(item));
                    break;
                case PodCheckpoint:
                    checkpoints.Queue.Add(ObjectKey.Of(item));
                    if (item.ControllerKey(nameof(PodMigration)) is { } migration)
                    {
                        migrations.Queue.Add(migration);
                    }

                    break;
                case ContainerCheckpoint:
                    parts.Queue.Add(ObjectKey.Of(item));
                    if (item.ControllerKey(nameof(PodCheckpoint)) is { } whole)
                    {
                        checkpoints.Queue.Add(whole);
                    }

                    break;
                case PodCheckpointContent content:
                    Add(checkpoints, Cluster.All<PodCheckpoint>().Where(c => c.Metadata.Uid == content.Spec.PodCheckpointRef.Uid));
                    break;
                case ContainerCheckpointContent content:
                    Add(parts, Cluster.All<ContainerCheckpoint>().Where(c => c.Metadata.Uid == content.Spec.ContainerCheckpointRef.Uid));
                    Add(migrations, Owners.MigrationOf(content, Cluster));
                    break;
                case V1Pod pod:
                    Add(migrations, Cluster.All<PodMigration>().Where(m => m.Status?.PodUID == pod.Metadata.Uid
                        || (pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true && uid == m.Metadata.Uid)));
                    break;
            }
        };
        foreach (var item in Cluster.Everything)
        {
            (item switch { PodMigration => migrations, PodCheckpoint => checkpoints, ContainerCheckpoint => parts, _ => null })
                ?.Queue.Add(ObjectKey.Of(item));
        }
    }

    public SimulatedCluster Cluster { get; }

    public bool HasWork => _loops.Any(l => l.Queue.Count > 0 && l.Busy < Workers);

    /// <summary>Begins one run.</summary>
    public void Reconcile(Random random)
    {
        var loops = _loops.Where(l => l.Queue.Count > 0 && l.Busy < Workers).ToList();
        var loop = loops[random.Next(loops.Count)];
        var key = loop.Queue.TakeAsync(CancellationToken.None).GetAwaiter().GetResult();
        loop.Busy++;
        _ = Task.Factory.StartNew(() => RunAsync(loop, key), CancellationToken.None, TaskCreationOptions.DenyChildAttach, _scheduler);
    }

    /// <summary>kill -9.</summary>
    public void Dispose()
    {
        Cluster.Die();
        _scheduler.Clear();
        _stopping.Dispose();
        foreach (var loop in _loops)
        {
            loop.Queue.Dispose();
        }
    }

    /// <summary>As Controller does; but a look that is only a net below the events is not taken, so that a lost event shows.</summary>
    private async Task RunAsync(Loop loop, ObjectKey key)
    {
        try
        {
            var result = await loop.Reconciler.ReconcileAsync(key, _stopping.Token);
            loop.Queue.Forget(key);
            if (result.RequeueAfter is { } delay && delay > PodMigrationReconciler.Resync)
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
        catch (Exception exception) when (exception is AgentException or HttpRequestException)
        {
            loop.Queue.AddAfterFailure(key);
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

    private sealed class NoEvents : IEventRecorder
    {
        public void Record(IKubernetesObject<V1ObjectMeta> about, string type, string reason, string message)
        {
        }
    }
}
