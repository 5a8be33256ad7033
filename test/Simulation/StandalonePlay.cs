using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

/// <summary>Checkpoints that no migration makes: of a pod that runs on, restored once or twice, kept or deleted, also
/// while a restore reads them.</summary>
internal sealed class StandalonePlay : Play
{
    private readonly Troubles _troubles;
    private readonly SortedDictionary<int, Action> _plan = [];
    private readonly bool _retains;

    /// <summary>Whether the checkpoint is deleted while a restore reads it.</summary>
    private readonly bool _deletesAmidst;
    private readonly V1Pod _source;

    public StandalonePlay(int seed)
        : base(seed, play => new World(play.Server, play.Random, play.Time)
        {
            DumpsFail = play.Random.Next(6) == 0,
            RestoresFail = play.Random.Next(6) == 0, HasClones = true, Retention = play.Retention,
        })
    {
        _source = Given(new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "n" },
            Spec = new V1PodSpec { NodeName = "a", Containers = [.. Enumerable.Range(0, Random.Next(1, 3))
                .Select(n => new V1Container { Name = $"c{n}" })] },
        });
        _retains = Random.Next(4) == 0;
        Server.CreateOrGet(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta { Name = "k", NamespaceProperty = "n" },
            Spec = new PodCheckpointSpec { PodName = "p", DeletionPolicy = _retains
                ? DeletionPolicies.Retain
                : DeletionPolicies.Delete },
        });
        for (var i = 0; i < 2; i++)
        {
            var (name, node) = ($"r{i}", Random.Next(2) == 0 ? "b" : "c");
            _plan[(2 * Random.Next(20, 400)) + i] = () => CreateRestore(name, node);
        }

        if (Random.Next(2) == 0)
        {
            _plan[Random.Next(1000)] = DeleteCheckpoint;
        }
        else
        {
            _deletesAmidst = Random.Next(2) == 0;
        }

        _troubles = new Troubles(Server, World, Random, Trace, seed, kept: true, ofMigration: false);
        Begin();
    }

    private PodCheckpoint? Checkpoint => Server.Find<PodCheckpoint>("n", "k");

    public override IReadOnlyList<string> Run()
    {
        var sweeps = 0;
        for (var step = 0; World.Violations.Count == 0; step++)
        {
            var faulty = step < FaultySteps;
            if (step == FaultySteps)
            {
                EndFaults(_troubles);
            }
            else if (faulty)
            {
                foreach (var due in _plan.Keys.Where(k => k <= step * 2).ToList())
                {
                    _plan.Remove(due, out var act);
                    act!();
                }

                if (_deletesAmidst && IsRead() && Random.Next(5) == 0)
                {
                    DeleteCheckpoint();
                }

                _troubles.Happen(step);
                MayEnd(_troubles);
            }

            if (step > MostSteps)
            {
                World.Violations.Add("it does not come to rest");
            }
            else if (LooksForBytesOnly(step) || (!Step(faulty) && !faulty && !Wait()))
            {
                if (sweeps > 1)
                {
                    break;
                }

                if (sweeps++ == 0)
                {
                    Decide();
                    DeleteCheckpoint();
                    Time.Advance(TimeSpan.FromSeconds(1));
                }
                else
                {
                    // A dump that a dead operator has asked for, and that came when all was over, is nobody's.
                    Time.Advance(World.Retention.OrphanAge + TimeSpan.FromSeconds(1));
                    Operator.Sweep();
                }

                continue;
            }

            Check();
        }

        if (World.Violations.Count == 0)
        {
            Must(!Server.All<PodCheckpoint>().Any()
                && !Server.All<ContainerCheckpoint>().Any(), "a checkpoint is left");
            Must(_retains || (!Server.All<PodCheckpointContent>().Any()
                && !Server.All<ContainerCheckpointContent>().Any()), "a content is left");
            Must(_retains || World.Store.Count == 0, "bytes are left");
        }

        Operator.Dispose();
        return World.Violations;
    }

    protected override void Check()
    {
        base.Check();
        foreach (var copy in World.Copies.Where(
            c => c.PodUid != _source.Metadata.Uid && c.Containers.Any(p => p.Life == Life.Running)))
        {
            var pod = Server.All<V1Pod>().FirstOrDefault(p => p.Metadata.Uid == copy.PodUid);
            Must(pod is null || copy.Containers.Count(p => p.Life is Life.Running or Life.Dead)
                == pod.Spec.Containers.Count, "a pod runs with a part of its checkpoint");
        }
    }

    /// <summary>What was to be retained and was never made is looked for on the
    /// volume every minute, for ever.</summary>
    private bool LooksForBytesOnly(int step) => _retains && Checkpoint is null && step > 4 * FaultySteps;

    private void Decide()
    {
        var status = Checkpoint?.Status;
        Must(
            Checkpoint is null || status is { Ready: true } or { Error: not null },
            $"the checkpoint is neither whole nor failed: {status?.Conditions?.FirstOrDefault()?.Message}");
        Must(Checkpoint?.Metadata.DeletionTimestamp is null, "the checkpoint was deleted, and is there");
        var source = World.Copies.First(c => c.PodUid == _source.Metadata.Uid);
        Must(source.Containers.All(p => p.Life == Life.Running), "the pod does not run on");
        foreach (var pod in Server.All<V1Pod>().Where(p => p.Metadata.Name != "p"))
        {
            if (!World.HasOutcome(pod))
            {
                World.Violations.Add($"{pod.Metadata.Name} waits for its restore");
                return;
            }

            var runs = World.Copies.Any(c => c.PodUid == pod.Metadata.Uid
                && c.Containers.Count > 0
                && c.Containers.All(p => p.Life == Life.Running));
            Must(
                runs == (pod.Metadata.Annotations![WellKnown.RestoreOutcome] == Outcomes.Restored),
                $"{pod.Metadata.Name} says {pod.Metadata.Annotations[WellKnown.RestoreOutcome]}, and runs: {runs}");
        }

        var restored = Server.All<V1Pod>().Count(p =>
            World.HasOutcome(p) && p.Metadata.Annotations![WellKnown.RestoreOutcome] == Outcomes.Restored);
        Ending = $"standalone with {restored} restored";
    }

    private void CreateRestore(string name, string node)
    {
        if (Checkpoint?.Status is not { CheckpointID: { } id, PodUID: { } uid })
        {
            return;
        }

        Trace.Add($"user: restores {name}");
        Server.CreateOrGet(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = name, NamespaceProperty = "n",
                Annotations =
                    new Dictionary<string, string> { [WellKnown.RestoreAnnotation] = ArtifactUri.ForPod(uid, id)
                        .ToString() },
            },
            Spec = new V1PodSpec
            {
                NodeName = node,
                RuntimeClassName = WellKnown.RestoreRuntimeClass,
                Containers = _source.Spec.Containers,
            },
        });
    }

    private bool IsRead() =>
        Checkpoint is { Metadata.DeletionTimestamp: null, Status: { PodUID: { } uid, CheckpointID: { } id } }
        && World.IsRead((uid, id));

    private void DeleteCheckpoint()
    {
        if (Checkpoint is { } checkpoint)
        {
            Trace.Add("user: deletes the checkpoint");
            Server.Delete(checkpoint);
        }
    }

    private void Must(bool condition, string otherwise)
    {
        if (!condition)
        {
            World.Violations.Add(otherwise);
        }
    }
}
