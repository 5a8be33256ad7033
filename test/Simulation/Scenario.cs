using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

/// <summary>One migration of one pod, and whatever goes wrong in the course of it; all of it follows from the seed.</summary>
internal sealed class Scenario
{
    private const int FaultySteps = 600;
    private const int MostSteps = 10_000;
    private readonly Random _random;
    private readonly VirtualTime _time = new();
    private readonly SimulatedServer _server;
    private readonly Operations _operations;
    private readonly List<SimulatedOperator> _deposed = [];
    private readonly World _world;
    private readonly Troubles _troubles;
    private readonly int _pace;
    private SimulatedOperator _operator;

    public Scenario(int seed)
    {
        _random = new Random(seed);
        _server = new SimulatedServer(_time);
        _operations = new Operations(_random) { Faults = _random.Next(3) > 0, SlowOnes = _random.Next(4) == 0 ? 6 : 0 };
        _world = new World(_server, _random, _time)
        {
            DumpsFail = _random.Next(6) == 0, RestoresFail = _random.Next(5) == 0, Failures = _random.Next(6) == 0 ? 1 : 0,
            OwnAddress = seed % 4 == 0, LongestKill = TimeSpan.FromSeconds(_random.Next(3) == 0 ? 30 : 0),
        };
        // From the quickest of networks to one on which every deadline passes.
        _pace = _random.Next(4) switch { 0 => 200, 1 => 50, _ => 5 };
        var source = _server.CreateOrGet(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "p", NamespaceProperty = "n",
                Annotations = _world.OwnAddress ? new Dictionary<string, string> { [PodAddress.OwnAddresses] = $"[\"{World.Address}\"]" } : null,
            },
            Spec = new V1PodSpec
            {
                NodeName = "a", Containers = [.. Enumerable.Range(0, _random.Next(1, 3)).Select(n => new V1Container { Name = $"c{n}" })],
            },
        });
        _world.Copies.Add(new Copy(source.Metadata.Uid!, "a",
            [.. source.Spec.Containers.Select(c => new Processes(c.Name) { Life = Life.Running, Started = true })]));
        foreach (var (_, report) in _world.Possible().Where(p => p.Name.Contains("reports", StringComparison.Ordinal)))
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

        _troubles = new Troubles(_server, _world, _random, Trace);
        _operator = NewOperator();
    }

    public List<string> Trace { get; } = [];

    /// <summary>What became of the pod.</summary>
    public string Ending { get; private set; } = "";

    /// <summary>Plays it to its end; what it broke.</summary>
    public IReadOnlyList<string> Run()
    {
        _troubles.CreateMigration("m", "b");
        for (var step = 0; _world.Violations.Count == 0; step++)
        {
            var faulty = step < FaultySteps;
            if (step == FaultySteps)
            {
                _operations.Faults = false;
                _deposed.ForEach(o => o.Dispose());
                _deposed.Clear();
                _troubles.End();
            }
            else if (faulty)
            {
                Interfere(step);
            }

            if (step == 2 * FaultySteps)
            {
                _troubles.SayAgain();
            }

            // What only a dead node could answer is tried until the deadline, with a back-off that has a ceiling.
            if (step > MostSteps * (_world.Nodes.Values.Any(n => n.IsDead) ? 10 : 1))
            {
                _world.Violations.Add("it does not come to rest");
            }
            else if ((!Step(faulty) && !faulty && !PassTime()) || (step > 2 * FaultySteps && OnlyBytesAreLeft() && !_troubles.AbortWhatWasLeft()))
            {
                break;
            }

            if (!faulty && step % 50 == 0 && Limits().Any(t => t <= _time.GetUtcNow().UtcDateTime))
            {
                _operator.Look();
            }

            Check();
        }

        if (_world.Violations.Count == 0)
        {
            var judge = new Judge(_server, _world, _troubles);
            judge.Decide(undisturbed: _troubles.AreNone && _operator.Lives == 1 && !_operations.EverLost);
            Ending = judge.Ending;
            Outlive(judge);
        }

        _operator.Dispose();
        return _world.Violations;
    }

    private void Check()
    {
        _world.Check();
        CheckEvidence();
        _world.Violations.AddRange(_operations.Forbidden);
    }

    /// <summary>What was sent long ago arrives when all is over: it changes nothing that lasts, also when the user has deleted
    /// the migrations meanwhile, and no mark tells any more what was.</summary>
    private void Outlive(Judge judge)
    {
        judge.Remember();
        var deleted = false;
        while (_world.Violations.Count == 0)
        {
            switch (_random.Next(4))
            {
                case 0 when !deleted:
                    Trace.Add("user: deletes what is over");
                    deleted = true;
                    _server.All<PodMigration>().ToList().ForEach(_server.Delete);
                    break;
                case 1:
                    Trace.Add("hours pass");
                    _time.Advance(TimeSpan.FromHours(2));
                    _world.Forget();
                    break;
                default:
                    if (_operations.RunLate() is { } late)
                    {
                        Trace.Add(late);
                        break;
                    }

                    if (deleted)
                    {
                        judge.DecideAfterAll();
                        return;
                    }

                    continue;
            }

            Settle();
        }
    }

    private void Settle()
    {
        for (var step = 0; _world.Violations.Count == 0 && (Step(faulty: false) || PassTime()); step++)
        {
            Check();
            if (OnlyBytesAreLeft())
            {
                if (step > FaultySteps)
                {
                    return;
                }
            }
            else if (step > MostSteps)
            {
                _world.Violations.Add("it does not come to rest any more");
            }
        }
    }

    /// <summary>Bytes of a checkpoint that only a dead node's agent was to delete are tried for ever; no migration waits.</summary>
    private bool OnlyBytesAreLeft() =>
        _world.Nodes.Values.Any(n => n.IsDead)
        && _server.All<V1Pod>().All(p => p.Metadata.DeletionTimestamp is null || _world.Nodes[p.Spec.NodeName!].IsDead)
        && _server.All<PodMigration>().All(m =>
            m.Status?.CompletionTime is not null || (m.Status?.Outcome == Outcomes.Left && m.Spec.Abort != true));

    /// <summary>Whether something waits for ever for what somebody must say; then its status tells him so.</summary>
    private bool Unended()
    {
        var waiting = _server.All<PodMigration>().Where(m => m.Status?.CompletionTime is null).ToList();
        foreach (var migration in waiting.Where(m => !m.Status?.Conditions.IsTrue(ConditionTypes.Stalled) ?? true))
        {
            _world.Violations.Add($"{migration.Metadata.Name} waits, and does not say what for: {migration.Status?.Message}");
        }

        return waiting.Count > 0;
    }

    /// <summary>When those that still go forward must have come to an end.</summary>
    private IEnumerable<DateTime> Limits() => _server.All<PodMigration>()
        .Where(m => m.Status is { CompletionTime: null, StartTime: not null } status && status.Conditions.Find(ConditionTypes.RolledBack) is null)
        .Select(m => m.Status!.StartTime!.Value.AddSeconds(m.Spec.TimeoutSeconds ?? 300));

    /// <summary>At rest: until the next timer, or the next deadline, which a look every few seconds sees.</summary>
    private bool PassTime()
    {
        if (_time.Next is { } next)
        {
            _time.Advance(next - _time.GetUtcNow());
            return true;
        }

        // The last step's passing of time may have brought something up.
        if (_operator.HasWork || _world.Possible().Count > 0)
        {
            return true;
        }

        // Calls that an agent holds until something has happened, or for so long.
        if (_operations.Count > 0)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return true;
        }

        var limits = Limits().Where(t => t > _time.GetUtcNow().UtcDateTime).ToList();
        if (limits.Count > 0)
        {
            // Nothing is in the way any more, and nobody does anything: a wake-up was lost.
            if (_world.Nodes.Values.All(n => !n.IsDead))
            {
                _world.Violations.Add("nothing happens, and a migration waits for its deadline");
            }

            _time.Advance(limits.Min() - _time.GetUtcNow().UtcDateTime);
            _operator.Look();
            return true;
        }

        // The user has seen what was left, and has it rolled back; or he is told that a dead node holds it up, and helps.
        return _troubles.AbortWhatWasLeft() || (Unended() && _troubles.SayAgain());
    }

    /// <summary>What a status says of the fence is so, from when it says it until the way back or the source's end.</summary>
    private void CheckEvidence()
    {
        foreach (var status in _server.All<PodMigration>().Select(m => m.Status).OfType<PodMigrationStatus>())
        {
            if (status.Conditions.IsTrue(ConditionTypes.SourceFenced)
                && status.Conditions.Find(ConditionTypes.RolledBack) is null
                && _server.Find<V1Pod>("n", "p") is not null
                && _world.Nodes["a"] is { IsDead: false } node && !node.Fences.ContainsKey(status.PodUID!))
            {
                _world.Violations.Add("the status says SourceFenced, and there is no fence");
            }
        }
    }

    private bool Step(bool faulty)
    {
        var possible = _world.Possible();
        var choices = new List<Action>();
        foreach (var one in _deposed.Append(_operator))
        {
            if (one.Scheduler.Count > 0)
            {
                choices.Add(() => one.Scheduler.RunOne());
                choices.Add(() => one.Scheduler.RunOne());
            }

            if (one.HasWork)
            {
                choices.Add(() => one.Reconcile(_random));
            }

            if (one.Cluster.Behind)
            {
                choices.Add(() => one.Cluster.Deliver(_random));
            }
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

        if (faulty && _operations.Late > 0 && _random.Next(100) == 0)
        {
            Trace.Add(_operations.RunLate()!);
        }

        var idle = choices.Count == 0;
        // While there may be troubles yet, what is slow waits for them.
        if (_operations.Count > 0 && (idle || _random.Next(3) == 0) && _operations.RunOne(idle && !faulty) is { } done)
        {
            Trace.Add(done);
            return true;
        }

        if (!idle)
        {
            choices[_random.Next(choices.Count)]();
        }

        _time.Advance(TimeSpan.FromMilliseconds(_random.Next(_pace)));
        _world.Count();
        return !idle;
    }

    private void Interfere(int step)
    {
        _troubles.Happen(step);
        var inTheAct = _operator.HasSent && _troubles.EndsInTheAct();
        if (inTheAct || _troubles.OperatorDies())
        {
            // What is late for certain is late for its own life, which is no leader's any more.
            _operator.Depose(inTheAct);
            if (_random.Next(2) == 0)
            {
                Trace.Add("operator dies");
                _operator.Dispose();
            }
            else
            {
                Trace.Add("operator is deposed");
                _deposed.Add(_operator);
            }

            _operator = NewOperator();
        }

        if (_deposed.Count > 0 && _random.Next(100) == 0)
        {
            Trace.Add("a deposed operator ends");
            _deposed[0].Dispose();
            _deposed.RemoveAt(0);
        }
    }

    private SimulatedOperator NewOperator() => new(_server, _world, _operations, _time, _random) { Lives = (_operator?.Lives ?? 0) + 1 };
}
