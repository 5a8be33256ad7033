using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Simulation;

/// <summary>One migration of one pod, and whatever goes wrong in the course of it; all of
/// it follows from the seed.</summary>
internal sealed class Scenario : Play
{
    private readonly Troubles _troubles;
    private readonly Judge _judge;
    private readonly HashSet<string> _cold = [];
    private DateTimeOffset _patientUntil;

    public Scenario(int seed, bool owned)
        : base(seed, play => NewWorld(play, seed, owned))
    {
        Given(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "p", NamespaceProperty = "n",
                Annotations = World.OwnAddress
                    ? new Dictionary<string, string> { [PodAddress.OwnAddresses] = $"[\"{World.Address}\"]" }
                    : null,
                Labels = World.ReplicaSet?.Labels(),
                OwnerReferences = World.ReplicaSet is { } set ? [set.Owner()] : null,
            },
            Spec = new V1PodSpec
            {
                NodeName = "a",
                Containers =
                [
                    .. Enumerable.Range(0, Random.Next(1, 3)).Select(n =>
                        new V1Container { Name = $"c{n}", LivenessProbe = Faults.ProbeOf(seed) }),
                ],
            },
        });
        _troubles = new Troubles(Server, World, Random, Trace, seed, owned);
        _judge = new Judge(Server, World, _troubles);
        Begin();
    }

    /// <summary>Plays it to its end; what it broke.</summary>
    public override IReadOnlyList<string> Run()
    {
        _troubles.CreateMigration("m", "b");
        for (var step = 0; World.Violations.Count == 0; step++)
        {
            var faulty = step < FaultySteps;
            if (step == FaultySteps)
            {
                EndFaults(_troubles);
            }
            else if (faulty)
            {
                _troubles.Happen(step);
                MayEnd(_troubles);
            }

            if (step == FaultySteps + (FaultySteps / 2))
            {
                _troubles.DropSnapshot();
            }

            if (step == 2 * FaultySteps)
            {
                _troubles.SayAgain();
            }

            if (step > 2 * FaultySteps && step % 100 == 0 && _troubles.Faults.Stand)
            {
                MendWhatIsTold();
            }

            // What only a dead node could answer is tried until the deadline, with a back-off that has a ceiling.
            if (step > MostSteps * (World.Nodes.Values.Any(n => n.IsGone) ? 10 : 1))
            {
                World.Violations.Add("it does not come to rest");
            }
            else if (!Step(faulty) && !faulty && !PassTime())
            {
                break;
            }

            if (step > 2 * FaultySteps && OnlyBytesAreLeft() && !_troubles.AbortWhatWasLeft())
            {
                LosePatience();
            }

            if (!faulty && step % 50 == 0 && Limits().Any(t => t <= Time.GetUtcNow().UtcDateTime))
            {
                Operator.Look();
            }

            Check();
        }

        if (World.Violations.Count == 0)
        {
            _judge.Decide(undisturbed: _troubles.AreNone && Operator.Lives == 1 && !Operations.EverLost);
            Ending = _judge.Ending;
            if (World.Violations.Count == 0 && _troubles.Returns.Return())
            {
                Settle();
                _judge.Decide(undisturbed: false);
            }

            Outlive();
        }

        Operator.Dispose();
        return World.Violations;
    }

    protected override void Check()
    {
        base.Check();
        CheckEvidence();
        CheckColdStarts();
    }

    /// <summary>What was sent long ago arrives when all is over: it changes nothing that lasts, also when the user has
    /// deleted the migrations meanwhile, and no mark tells any more what was.</summary>
    private void Outlive()
    {
        _judge.Remember();
        var deleted = false;
        while (World.Violations.Count == 0)
        {
            switch (Random.Next(4))
            {
                case 0 when !deleted:
                    Trace.Add("user: deletes what is over");
                    deleted = true;
                    Server.All<PodMigration>().ToList().ForEach(Server.Delete);
                    break;
                case 1:
                    Trace.Add("hours pass");
                    Time.Advance(TimeSpan.FromHours(2));
                    World.Forget();
                    break;
                default:
                    if (Operations.RunLate() is { } late)
                    {
                        Trace.Add(late);
                        break;
                    }

                    if (deleted)
                    {
                        SweepAll();
                        _judge.DecideAfterAll();
                        return;
                    }

                    continue;
            }

            Settle();
        }
    }

    /// <summary>Bytes of a dump that came when its checkpoint had gone are nobody's,
    /// until a sweep finds them.</summary>
    private void SweepAll()
    {
        Time.Advance(World.Retention.OrphanAge + TimeSpan.FromHours(2));
        World.Forget();
        Operator.Sweep();
        Settle();
    }

    private void Settle()
    {
        for (var step = 0; World.Violations.Count == 0 && (Step(faulty: false) || PassTime()); step++)
        {
            Check();
            if (step > FaultySteps && OnlyBytesAreLeft())
            {
                LosePatience();
            }

            if (step > MostSteps)
            {
                World.Violations.Add("it does not come to rest any more");
            }
        }
    }

    /// <summary>No migration waits; what a dead node's agent was to delete is tried until the
    /// operator's patience is over.</summary>
    private bool OnlyBytesAreLeft() =>
        World.Nodes.Values.Any(n => n.IsGone)
        && Server.All<V1Pod>().All(p => p.Metadata.DeletionTimestamp is null || World.Nodes[p.Spec.NodeName!].IsGone)
        && Server.All<PodMigration>().All(m =>
            m.Status?.CompletionTime is not null || (m.Status?.Outcome == Outcomes.Left && m.Spec.Abort != true));

    private void LosePatience()
    {
        if (Time.GetUtcNow() > _patientUntil)
        {
            Trace.Add("the operator's patience with bytes is over");
            var patience = new OperatorOptions().BytesPatience;
            Time.Advance(patience);
            _patientUntil = Time.GetUtcNow() + patience;
        }
    }

    /// <summary>Whoever waits for what is broken says so; then somebody mends it.</summary>
    private void MendWhatIsTold()
    {
        var waiting = Server.All<PodMigration>().Where(m => m.Status?.CompletionTime is null).ToList();
        if (waiting.All(m => m.Status is { Outcome: Outcomes.Left }
            || (m.Status?.Conditions.IsTrue(ConditionTypes.Stalled) ?? false)))
        {
            _troubles.Faults.Mend();
        }
    }

    /// <summary>Whether something waits for ever for what somebody must say; then its status tells him so.</summary>
    private bool Unended()
    {
        var waiting = Server.All<PodMigration>().Where(m => m.Status?.CompletionTime is null).ToList();
        foreach (var migration in waiting.Where(m => !m.Status?.Conditions.IsTrue(ConditionTypes.Stalled) ?? true))
        {
            World.Violations.Add(
                $"{migration.Metadata.Name} waits, and does not say what for: {migration.Status?.Message}");
        }

        return waiting.Count > 0;
    }

    /// <summary>When those that still go forward must have come to an end.</summary>
    private IEnumerable<DateTime> Limits() => Server.All<PodMigration>()
        .Where(m => m.Status is { CompletionTime: null, StartTime: not null } status
            && status.Conditions.Find(ConditionTypes.RolledBack) is null)
        .Select(m => m.Status!.StartTime!.Value.AddSeconds(m.Spec.TimeoutSeconds ?? 300));

    /// <summary>At rest: until the next timer, or the next deadline, which a look every few seconds sees.</summary>
    private bool PassTime()
    {
        if (Wait())
        {
            return true;
        }

        var limits = Limits().Where(t => t > Time.GetUtcNow().UtcDateTime).ToList();
        if (limits.Count > 0)
        {
            // Nothing is in the way any more, and nobody does anything: a wake-up was lost.
            if (World.Nodes.Values.All(n => !n.IsGone) && !_troubles.Faults.Stand)
            {
                World.Violations.Add("nothing happens, and a migration waits for its deadline");
            }

            Time.Advance(limits.Min() - Time.GetUtcNow().UtcDateTime);
            Operator.Look();
            return true;
        }

        // The user has seen what was left, and has it rolled back; or he is told that
        // a dead node holds it up, and helps.
        return _troubles.Faults.Mend() || _troubles.DropSnapshot() || _troubles.AbortWhatWasLeft()
            || (Unended() && _troubles.SayAgain());
    }

    /// <summary>A source that goes on is not taken away for a fresh pod.</summary>
    private void CheckColdStarts()
    {
        foreach (var migration in Server.All<PodMigration>()
            .Where(m => m.Status?.Steps?.Any(s => s.Name == Steps.ColdStart) == true))
        {
            if (_cold.Add(migration.Metadata.Uid!)
                && World.LetGoOn.Contains((migration.Status!.PodUID!, migration.Metadata.Uid!)))
            {
                World.Violations.Add("a cold start begins after the source was let go on");
            }
        }
    }

    /// <summary>What a status says of the fence is so, from when it says it until the way
    /// back or the source's end.</summary>
    private void CheckEvidence()
    {
        foreach (var status in Server.All<PodMigration>().Select(m => m.Status).OfType<PodMigrationStatus>())
        {
            if (status.Conditions.IsTrue(ConditionTypes.SourceFenced)
                && status.Conditions.Find(ConditionTypes.RolledBack) is null
                && Server.Find<V1Pod>("n", "p")?.Metadata.Uid == status.PodUID
                && World.Nodes[status.SourceNode!] is { IsDead: false } node
                && !World.Copies.Any(c => c.PodUid == status.PodUID && c.IsReplaced)
                && !node.Fences.ContainsKey(status.PodUID!))
            {
                World.Violations.Add("the status says SourceFenced, and there is no fence");
            }
        }
    }

    private static World NewWorld(Play play, int seed, bool owned) => new(play.Server, play.Random, play.Time)
    {
        DumpsFail = play.Random.Next(6) == 0,
        RestoresFail = play.Random.Next(5) == 0, Failures = !owned && play.Random.Next(6) == 0 ? 1 : 0,
        DumpsAreHeld = true,
        OwnAddress = seed % 4 == 0, LongestKill = TimeSpan.FromSeconds(play.Random.Next(3) == 0 ? 30 : 0),
        Retention = play.Retention,
        ReplicaSet = owned ? new ReplicaSet(play.Server, seed % 16 == 7 ? "5d" : null) : null,
    };
}
