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
    private readonly SlotJudge _slots;

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
        _slots = new SlotJudge(Server, World, () => Operator);
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
        _slots.Check();
    }

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
