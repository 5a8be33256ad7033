using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Simulation;

/// <summary>What must be true at the end, when nothing has gone wrong for a while.</summary>
internal sealed class Judge(SimulatedServer server, World world, Troubles troubles)
{
    /// <summary>What became of the pod.</summary>
    public string Ending { get; private set; } = "";

    private List<Copy> _stood = [];

    /// <summary>Takes down what runs when all is over.</summary>
    public void Remember() => _stood = [.. Running()];

    /// <summary>What must be true for ever after.</summary>
    public void DecideAfterAll()
    {
        Must(Running().SequenceEqual(_stood), "what came late has changed what runs");
        Must(world.Copies.Count(c => c.Lives) == _stood.Count, "what came late has brought up another copy");
        Leftovers([]);
    }

    public void Decide(bool undisturbed)
    {
        var migrations = server.All<PodMigration>().ToList();
        var first = migrations.FirstOrDefault(m => m.Metadata.Name == "m");
        Ending = first is null ? "deleted" : first.Status?.Outcome ?? "refused";
        foreach (var migration in migrations)
        {
            Must(migration.Status?.CompletionTime is not null, $"{migration.Metadata.Name} ends in {migration.Status?.Phase}: {migration.Status?.Message}");
        }

        var outcomes = migrations.Select(m => m.Status?.Outcome).OfType<string>().ToList();
        Must(!undisturbed || Ending == (troubles.DryRun ? Outcomes.WouldMigrate : Outcomes.Restored), $"nothing was in its way, and it ended as {Ending}");
        Must(troubles.OnFailure == OnFailurePolicies.ColdStart || !outcomes.Contains(Outcomes.ColdStarted), "it was started afresh, and nobody had asked for it");
        Must(!server.RefusesFresh || migrations.All(m => m.Status?.Steps?.Any(s => s.Name == Steps.ColdStart) != true), "the source was taken for a pod that the server refuses");
        Must(
            migrations.All(m => m.Status?.Outcome != Outcomes.Restored || m.Status.Conditions.IsTrue(ConditionTypes.SourceFenced)),
            "the source was never fenced");
        Copies(migrations, outcomes);
        Leftovers(outcomes);
    }

    private IEnumerable<Copy> Running() =>
        world.Copies.Where(c => c.Containers.Count > 0 && c.Containers.All(p => p.Life == Life.Running));

    private void Copies(List<PodMigration> migrations, List<string> outcomes)
    {
        var running = Running().ToList();
        var lost = troubles.UserDeleted || world.Nodes.Values.Any(n => n.IsDead);
        Must(running.Count == 1 || (lost && running.Count == 0), $"{running.Count} copies run at the end");
        Must(world.Copies.Count(c => c.Lives) == running.Count, "more than one copy is left");
        Must(lost || !outcomes.Contains(Outcomes.Lost), "it says Lost, and nothing was taken away");
        if (running.Count == 1)
        {
            var where = migrations.FirstOrDefault(m => m.Status?.Outcome is Outcomes.Restored or Outcomes.ColdStarted)?.Spec.TargetNode
                ?? (outcomes.Count > 0 && migrations.Any(m => m.Metadata.Name == "m") ? "a" : null);
            Must(where is null || running[0].Node == where, $"it says {string.Join(", ", outcomes)} and runs on {running[0].Node}");
            Must(!outcomes.Contains(Outcomes.Lost), "it says Lost, and a copy runs");
            Must(
                world.ReplicaSet is null || server.All<V1Pod>().Any(p => p.Metadata.Uid == running[0].PodUid && world.ReplicaSet.Has(p) && !Handover.IsDue(p)),
                "what runs is not its ReplicaSet's");
        }
        else
        {
            Must(!outcomes.Contains(Outcomes.RolledBack) || world.DeletedByUser.Count > 0 || world.Nodes["a"].IsDead, "it says RolledBack, and no copy runs");
        }
    }

    private void Leftovers(List<string> outcomes)
    {
        Must(world.Nodes.Values.Where(n => !n.IsDead).All(n => n.Fences.Count == 0), "a fence is left");
        Must(world.Nodes.Values.Where(n => !n.IsDead).All(n => n.Holds.Count == 0), "an address is held still");
        Must(server.All<V1Pod>().Count(p => !world.Nodes[p.Spec.NodeName!].IsDead) <= 1, "more than one pod is left");
        Must(
            server.All<CheckpointNode>().Select(n => n.Metadata.Name).Order().SequenceEqual(server.All<V1Node>().Select(n => n.Metadata.Name).Order()),
            "a node is not told of, or one that is gone");
        var kept = server.All<PodCheckpoint>().Where(c => c.Metadata.Annotations?.ContainsKey(WellKnown.Pinned) == true).ToList();
        Must(kept.All(c => c.Status?.Ready != true || world.Store.Count > 0), "the last that was left of a pod went with its migration");
        var retained = server.All<PodCheckpoint>().Where(c => c.Metadata is { OwnerReferences: not { Count: > 0 }, DeletionTimestamp: null }).ToList();
        Must(retained.Count == kept.Count || troubles.Retains, "a checkpoint is kept that nobody wanted");
        Must(retained.Except(kept).All(c => c.Status?.Ready == true || world.Nodes.Values.Any(n => n.IsDead)), "a checkpoint is kept that is not whole");
        if (kept.Count > 0 || outcomes.Contains(Outcomes.Lost) || world.Nodes.Values.Any(n => n.IsDead))
        {
            // The checkpoint is kept, or was with a node that nobody can ask any more.
            return;
        }

        var parts = retained.Sum(c => c.Status!.Containers!.Count);
        Must(server.All<PodCheckpoint>().Count() == retained.Count && server.All<ContainerCheckpoint>().Count() == parts, "a checkpoint is left");
        Must(server.All<PodCheckpointContent>().Count() == retained.Count && server.All<ContainerCheckpointContent>().Count() == parts, "a content is left");
        Must(world.Store.Count == retained.Count, "bytes are left, or gone");
    }

    private void Must(bool condition, string otherwise)
    {
        if (!condition)
        {
            world.Violations.Add(otherwise);
        }
    }
}
