using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

/// <summary>One migration of one pod, and whatever goes wrong in the course of it; all of it follows from the seed.</summary>
internal sealed class Scenario
{
    private const int FaultySteps = 600;
    private const int MostSteps = 30_000;
    private readonly Random _random;
    private readonly VirtualTime _time = new();
    private readonly SimulatedServer _server;
    private readonly Operations _operations;
    private readonly SeededScheduler _scheduler;
    private readonly World _world;
    private readonly int _abortAt;
    private readonly int _deleteAt;
    private readonly bool _undisturbed;
    private readonly int _crashes;
    private SimulatedOperator _operator;

    public Scenario(int seed)
    {
        _random = new Random(seed);
        _server = new SimulatedServer(_time);
        _operations = new Operations(_random) { Faults = _random.Next(3) > 0 };
        _scheduler = new SeededScheduler(_random);
        _world = new World(_server, _random) { DumpsFail = _random.Next(6) == 0, RestoresFail = _random.Next(5) == 0 };
        _abortAt = _random.Next(4) == 0 ? _random.Next(300) : -1;
        _deleteAt = _random.Next(7) == 0 ? _random.Next(300) : -1;
        _crashes = _random.Next(3) == 0 ? 0 : _random.Next(40, 300);
        _undisturbed = _abortAt < 0 && _deleteAt < 0 && _crashes == 0 && !_operations.Faults && !_world.DumpsFail && !_world.RestoresFail;
        var source = _server.CreateOrGet(new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "n" },
            Spec = new V1PodSpec
            {
                NodeName = "a", Containers = [.. Enumerable.Range(0, _random.Next(1, 3)).Select(n => new V1Container { Name = $"c{n}" })],
            },
        });
        _world.Copies.Add(new Copy(source.Metadata.Uid!, "a",
            [.. source.Spec.Containers.Select(c => new Processes(c.Name) { Life = Life.Running, Started = true })]));
        foreach (var (_, report) in _world.Possible())
        {
            report();
        }

        foreach (var node in _world.Nodes.Keys)
        {
            _server.CreateOrGet(new V1Node
            {
                Metadata = new V1ObjectMeta { Name = node },
                Status = new V1NodeStatus { Conditions = [new V1NodeCondition { Type = "Ready", Status = "True" }] },
            });
        }

        _operator = new SimulatedOperator(_server, _world, _operations, _time, _scheduler);
    }

    public List<string> Trace { get; } = [];

    /// <summary>What became of the pod.</summary>
    public string Ending { get; private set; } = "";

    /// <summary>Plays it to its end; what it broke.</summary>
    public IReadOnlyList<string> Run()
    {
        var migration = _server.CreateOrGet(new PodMigration
        {
            Metadata = new V1ObjectMeta { Name = "m", NamespaceProperty = "n" },
            Spec = new PodMigrationSpec { PodName = "p", TargetNode = "b" },
        });
        for (var step = 0; _world.Violations.Count == 0; step++)
        {
            var faulty = step < FaultySteps;
            if (!faulty)
            {
                _operations.Faults = false;
                foreach (var node in _world.Nodes.Values)
                {
                    node.AgentLives = true;
                }
            }
            else
            {
                Interfere(migration, step);
            }

            if (step > MostSteps)
            {
                _world.Violations.Add("it does not come to rest");
            }
            else if (!Step() && !faulty)
            {
                if (_time.Next is { } next)
                {
                    _time.Advance(next - _time.GetUtcNow());
                }
                else if (!_operator.HasWork)
                {
                    break;
                }
            }

            _world.Check();
            CheckEvidence();
        }

        if (_world.Violations.Count == 0)
        {
            Judge();
        }

        _operator.Dispose();
        return _world.Violations;
    }

    /// <summary>What the status says of the fence is so, from when it says it until the way back or the source's end.</summary>
    private void CheckEvidence()
    {
        if (_server.Find<PodMigration>("n", "m") is { Status: { } status }
            && status.Conditions.IsTrue(ConditionTypes.SourceFenced)
            && status.Conditions.Find(ConditionTypes.RolledBack) is null
            && _server.Find<V1Pod>("n", "p") is not null
            && !_world.Nodes["a"].Fences.ContainsKey(status.PodUID!))
        {
            _world.Violations.Add("the status says SourceFenced, and there is no fence");
        }
    }

    private bool Step()
    {
        var possible = _world.Possible();
        var choices = new List<Action>();
        if (_scheduler.Count > 0)
        {
            choices.Add(() => _scheduler.RunOne());
            choices.Add(() => _scheduler.RunOne());
        }

        if (_operator.HasWork)
        {
            choices.Add(() => _operator.Reconcile(_random));
        }

        if (_operator.Cluster.Behind)
        {
            choices.Add(() => _operator.Cluster.Deliver(_random));
        }

        if (possible.Count > 0)
        {
            choices.Add(() =>
            {
                var (name, act) = possible[_random.Next(possible.Count)];
                Trace.Add(name);
                act();
            });
        }

        var idle = choices.Count == 0;
        if (_operations.Count > 0 && (idle || _random.Next(3) == 0) && _operations.RunOne() is { } done)
        {
            Trace.Add(done);
            return true;
        }

        if (!idle)
        {
            choices[_random.Next(choices.Count)]();
        }

        _time.Advance(TimeSpan.FromMilliseconds(_random.Next(5)));
        _world.Count();
        return !idle;
    }

    private void Interfere(PodMigration migration, int step)
    {
        if (step == _abortAt)
        {
            Trace.Add("user: abort");
            _server.Edit(migration, json => json["spec"]!["abort"] = true);
        }

        if (step == _deleteAt)
        {
            Trace.Add("user: delete");
            _server.Delete(migration);
        }

        if (_crashes > 0 && _random.Next(_crashes) == 0)
        {
            switch (_random.Next(3))
            {
                case 0:
                    Trace.Add("operator dies");
                    _operator.Dispose();
                    _operations.Abandon();
                    _operator = new SimulatedOperator(_server, _world, _operations, _time, _scheduler);
                    break;
                default:
                    var node = _world.Nodes.Values.ElementAt(_random.Next(2));
                    node.AgentLives = !node.AgentLives;
                    node.Agents++;
                    Trace.Add($"agent {node.Name} {(node.AgentLives ? "lives" : "dies")}");
                    break;
            }
        }
    }

    /// <summary>What must be true at the end, when nothing has gone wrong for a while.</summary>
    private void Judge()
    {
        var migration = _server.Find<PodMigration>("n", "m");
        var running = _world.Copies.Where(c => c.Containers.Count > 0 && c.Containers.All(p => p.Life == Life.Running)).ToList();
        Ending = migration is null ? "deleted" : migration.Status?.Outcome ?? "refused";
        void Must(bool condition, string otherwise)
        {
            if (!condition)
            {
                _world.Violations.Add(otherwise);
            }
        }

        Must(migration is null || migration.Status?.CompletionTime is not null, $"it ends in {migration?.Status?.Phase}: {migration?.Status?.Message}");
        Must(running.Count == 1, $"{running.Count} copies run at the end");
        Must(_world.Copies.Count(c => c.Lives) == 1, "more than one copy is left");
        Must(_world.Nodes.Values.All(n => n.Fences.Count == 0), "a fence is left");
        Must(_server.All<V1Pod>().Count() == 1, "not one pod is left");
        Must(!_server.All<PodCheckpoint>().Any() && !_server.All<ContainerCheckpoint>().Any(), "a checkpoint is left");
        Must(!_server.All<PodCheckpointContent>().Any() && !_server.All<ContainerCheckpointContent>().Any(), "a content is left");
        Must(_world.Store.Count == 0, "bytes are left");
        Must(!_undisturbed || Ending == Outcomes.Restored, $"nothing was in its way, and it ended as {Ending}");
        Must(migration is null || Ending != Outcomes.Restored || migration.Status!.Conditions.IsTrue(ConditionTypes.SourceFenced), "the source was never fenced");
        if (running.Count == 1 && migration?.Status?.Outcome is { } outcome)
        {
            Must(outcome == (running[0].Node == "b" ? Outcomes.Restored : Outcomes.RolledBack), $"it says {outcome} and runs on {running[0].Node}");
        }
    }
}
