using System.Text.Json.Nodes;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>Many migrations at once of several pods, some between the same nodes, against the limits; some are
/// given up while they wait.</summary>
internal sealed class CrowdPlay : Play
{
    private const int Pods = 6;
    private readonly Troubles _troubles;
    private readonly Dictionary<int, Action> _plan = [];

    /// <summary>Who had been let begin, and what each of the others had been told, at the last look.</summary>
    private readonly HashSet<string> _began = [];

    public CrowdPlay(int seed)
        : base(seed, play => new World(play.Server, play.Random, play.Time)
        {
            DumpsFail = play.Random.Next(6) == 0, RestoresFail = play.Random.Next(6) == 0, Retention = play.Retention,
            Limits = new MigrationOptions { ParallelPerCluster = play.Random.Next(
                1, 5), ParallelOutboundPerNode = play.Random.Next(1, 4),
                ParallelInboundPerNode = play.Random.Next(1, 4) },
        })
    {
        for (var i = 0; i < Pods; i++)
        {
            Given(new V1Pod
            {
                Metadata = new V1ObjectMeta { Name = $"p{i}", NamespaceProperty = "n" },
                Spec = new V1PodSpec { NodeName = Random.Next(3) == 0
                    ? "b"
                    : "a", Containers = [new V1Container { Name = $"c{i}" }] },
            });
            var (pod, at) = ($"p{i}", Random.Next(4) == 0 ? Random.Next(200) : 0);
            _plan[(at * Pods) + i] = () => CreateMigration(pod);
            if (Random.Next(3) == 0)
            {
                var delete = Random.Next(3) == 0;
                _plan[(Random.Next(300) * Pods) + i] = () => GiveUp($"m-{pod}", delete);
            }
        }

        _troubles = new Troubles(Server, World, Random, Trace, seed, kept: true, ofMigration: false);
        Begin();
    }

    public override IReadOnlyList<string> Run()
    {
        for (var step = 0; World.Violations.Count == 0; step++)
        {
            var faulty = step < FaultySteps;
            if (step == FaultySteps)
            {
                EndFaults(_troubles);
            }
            else if (faulty)
            {
                foreach (var act in Enumerable.Range(step * Pods, Pods).Where(_plan.ContainsKey))
                {
                    _plan[act]();
                }

                _troubles.Happen(step);
                MayEnd(_troubles);
            }

            if (step > MostSteps)
            {
                World.Violations.Add("it does not come to rest");
            }
            else if (!Step(faulty) && !faulty && !Wait() && !GoesOn())
            {
                break;
            }

            Check();
        }

        if (World.Violations.Count == 0)
        {
            Decide();
        }

        Operator.Dispose();
        return World.Violations;
    }

    protected override void Check()
    {
        base.Check();
        var all = Server.All<PodMigration>().ToList();
        var underWay = all.Where(m => m.Status is { CompletionTime: null, Outcome: null } s
            && s.Conditions.IsTrue(ConditionTypes.Validated)).ToList();
        // What a leader has sent before its lease ended may arrive when the next one has counted: one more for each
        // such migration, for as long as it is under way.
        bool IsLate(PodMigration migration) => Trace.Exists(t =>
            t.StartsWith($"status PodMigration {migration.Metadata.Name} ", StringComparison.Ordinal)
            && t.EndsWith("(late)", StringComparison.Ordinal));
        bool Exceeds(IEnumerable<PodMigration> some, int limit) =>
            some.Count() > limit && some.Count(m => !IsLate(m)) > limit;
        Must(!Exceeds(underWay, World.Limits.ParallelPerCluster), "more migrations are under way than may be");
        Must(!underWay.GroupBy(m => m.Status!.SourceNode)
            .Any(g => Exceeds(g, World.Limits.ParallelOutboundPerNode)), "more leave a node than may");
        Must(!underWay.GroupBy(m => m.Status!.TargetNode)
            .Any(g => Exceeds(g, World.Limits.ParallelInboundPerNode)), "more come to a node than may");
        InTurn(all);
    }

    /// <summary>Of two that need the same, the older one begins first where it waits already, also
    /// before one that has just come.</summary>
    private void InTurn(List<PodMigration> all)
    {
        foreach (var migration in all.Where(
            m => Operator.Slots.Holds(ObjectKey.Of(m)) && _began.Add($"{Operator.Lives}/{m.Metadata.Uid}")))
        {
            var passed = all.Find(m => Waits(m)
                && !Operator.Slots.Holds(ObjectKey.Of(m))
                && NodeOf(m) == NodeOf(migration)
                && m.Spec.TargetNode == migration.Spec.TargetNode
                && m.Metadata.CreationTimestamp < migration.Metadata.CreationTimestamp);
            // What another operator has let begin is only taken over.
            Must(
                passed is null || migration.Status?.Conditions.IsTrue(ConditionTypes.Validated) == true,
                $"{migration.Metadata.Name} begins before {passed?.Metadata.Name}, which is older");
        }
    }

    private string? NodeOf(PodMigration migration) => Server.Find<V1Pod>("n", migration.Spec.PodName)?.Spec.NodeName;

    private static bool Waits(PodMigration migration) =>
        migration is { Metadata.DeletionTimestamp: null, Spec.Abort: not true, Status.CompletionTime: null }
        && migration.Status.Conditions.Find(ConditionTypes.Validated)?.Reason == Reasons.WaitingForSlot;

    private bool GoesOn()
    {
        var waiting = Server.All<PodMigration>()
            .Where(m => m.Status is not { CompletionTime: not null } and not { Outcome: Outcomes.Left })
            .ToList();
        Must(
            waiting.Count == 0,
            $"nothing happens, and {waiting.FirstOrDefault()?.Metadata.Name} waits: "
                + $"{waiting.FirstOrDefault()?.Status?.Message}");
        return _troubles.AbortWhatWasLeft();
    }

    private void Decide()
    {
        var running =
            World.Copies.Where(c => c.Containers.Count > 0 && c.Containers.All(p => p.Life == Life.Running)).ToList();
        Must(running.Count == Pods
            && World.Copies.Count(c => c.Lives) == Pods, $"of {Pods} pods {running.Count} run at the end");
        foreach (var migration in Server.All<PodMigration>())
        {
            Must(migration.Status?.CompletionTime is not null, $"{migration.Metadata.Name} has not ended");
            Must(
                !Operator.Slots.Holds(ObjectKey.Of(migration)),
                $"{migration.Metadata.Name} has ended and holds its slot");
            Must(
                migration.Status?.Outcome != Outcomes.Restored
                    || running.Any(c => c.PodUid != migration.Status.PodUID
                        && c.Node == migration.Status.TargetNode
                        && c.Containers[0].Name == "c" + migration.Spec.PodName[1..]),
                $"{migration.Metadata.Name} says Restored, and its pod does not run there");
        }

        Must(World.Nodes.Values.All(n => n.Fences.Count == 0), "a fence is left");
        Must(Server.All<V1Pod>().Count() == Pods, "a pod is left over, or missing");
        Must(!Server.All<PodCheckpoint>().Any()
            && !Server.All<ContainerCheckpointContent>().Any()
            && !Server.All<PodCheckpointContent>().Any(), "a checkpoint is left");
        Must(World.Store.Count == 0, "bytes are left");
        Ending = $"crowd with {Server.All<PodMigration>().Count(m => m.Status?.Outcome == Outcomes.Restored)} restored";
    }

    private void CreateMigration(string pod)
    {
        var from = Server.Find<V1Pod>("n", pod)!.Spec.NodeName;
        Server.CreateOrGet(new PodMigration
        {
            Metadata = new V1ObjectMeta { Name = $"m-{pod}", NamespaceProperty = "n" },
            Spec = new PodMigrationSpec
            {
                PodName = pod, TargetNode = Random.Next(4) == 0
                    ? null
                    : from == "a" && Random.Next(2) == 0 ? "b" : "c", TimeoutSeconds = 100_000,
            },
        });
        // By age: those of one second by name.
        Time.Advance(TimeSpan.FromSeconds(Random.Next(2)));
    }

    private void GiveUp(string name, bool delete)
    {
        if (Server.Find<PodMigration>("n", name) is not { } migration)
        {
            return;
        }

        Trace.Add($"user: gives {name} up");
        if (delete)
        {
            Server.Delete(migration);
        }
        else
        {
            Server.Edit(migration, json => json["spec"]!["abort"] = JsonValue.Create(true));
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
