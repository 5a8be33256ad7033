using k8s;
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
        Leftovers();
    }

    /// <param name="undisturbed">Nothing was lost and nobody died, as it happened.</param>
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
        var best = troubles.DryRun ? Outcomes.WouldMigrate : Outcomes.Restored;
        Must(!undisturbed || Ending == best, $"nothing was in its way, and it ended as {Ending}");
        Must(!troubles.OnlyDelay || Ending == best, $"all that was in its way may only delay it, and it ended as {Ending}: {first?.Status?.Message}");
        Must(troubles.OnFailure == OnFailurePolicies.ColdStart || !outcomes.Contains(Outcomes.ColdStarted), "it was started afresh, and nobody had asked for it");
        Must(!server.RefusesFresh || migrations.All(m => m.Status?.Steps?.Any(s => s.Name == Steps.ColdStart) != true), "the source was taken for a pod that the server refuses");
        Must(
            migrations.All(m => m.Status?.Outcome != Outcomes.Restored || m.Status.Conditions.IsTrue(ConditionTypes.SourceFenced)),
            "the source was never fenced");
        Copies(migrations, outcomes);
        Leftovers();
    }

    private IEnumerable<Copy> Running() =>
        world.Copies.Where(c => c.Containers.Count > 0 && c.Containers.All(p => p.Life == Life.Running));

    private void Copies(List<PodMigration> migrations, List<string> outcomes)
    {
        var running = Running().ToList();
        var source = world.Copies[0];
        var sourceIsGone = world.DeletedByUser.Contains(source.PodUid) || world.Nodes[source.Node].IsDead;
        var lost = sourceIsGone || world.Copies.Any(c => c.IsTaken);
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
            Must(!outcomes.Contains(Outcomes.RolledBack) || sourceIsGone, "it says RolledBack, and no copy runs");
        }
    }

    private void Leftovers()
    {
        var standing = world.Nodes.Values.Where(n => !n.IsDead).ToList();
        Must(standing.All(n => n.Fences.Count == 0), "a fence is left");
        Must(standing.All(n => n.Holds.Count == 0), "an address is held still");
        Must(server.All<V1Pod>().Count(p => !world.Nodes[p.Spec.NodeName!].IsDead) <= 1, "more than one pod is left");
        var checkpoints = server.All<PodCheckpoint>().ToList();
        var retained = checkpoints.Where(c => c.Metadata is { OwnerReferences: not { Count: > 0 }, DeletionTimestamp: null }).ToList();
        var pinned = retained.Where(c => c.Metadata.Annotations?.ContainsKey(WellKnown.Pinned) == true).ToList();
        Must(retained.Count == pinned.Count || troubles.Retains, "a checkpoint is kept that nobody wanted");
        Must(retained.Except(pinned).All(c => c.Status?.Ready == true || world.Nodes.Values.Any(n => n.IsDead)), "a checkpoint is kept that is not whole");

        // Whatever a node takes along that dies: who has waited for it in vain gives up, and only bytes may stay.
        var parts = server.All<ContainerCheckpoint>().ToList();
        var contents = server.All<PodCheckpointContent>().ToList();
        var partContents = server.All<ContainerCheckpointContent>().ToList();
        Must(checkpoints.Count == retained.Count && parts.All(p => retained.Any(c => IsOf(p, c))), "a checkpoint is left");
        Must(
            contents.All(c => retained.Any(r => r.Metadata.Uid == c.Spec.PodCheckpointRef.Uid))
                && partContents.All(c => parts.Any(p => p.Metadata.Uid == c.Spec.ContainerCheckpointRef.Uid)),
            "a content is left");
        Must(world.Store.Keys.All(key => retained.Any(c => IsStored(c, key))) || world.Nodes.Values.Any(n => n.IsDead), "bytes are left");
        foreach (var whole in retained.Where(c => c.Status?.Ready == true))
        {
            var containers = whole.Status!.Containers!.Count;
            Must(
                world.Store.Any(s => IsStored(whole, s.Key) && s.Value.Count == containers)
                    && contents.Exists(c => c.Spec.PodCheckpointRef.Uid == whole.Metadata.Uid)
                    && parts.Count(p => IsOf(p, whole) && partContents.Exists(c => c.Spec.ContainerCheckpointRef.Uid == p.Metadata.Uid)) == containers,
                "a checkpoint that was to be kept has lost a part");
        }
    }

    private static bool IsOf(ContainerCheckpoint part, PodCheckpoint whole) => part.Metadata.OwnerReferences?.Any(o => o.Uid == whole.Metadata.Uid) == true;

    private static bool IsStored(PodCheckpoint checkpoint, (string PodUid, string Checkpoint) key) =>
        (checkpoint.Status?.PodUID, checkpoint.Status?.CheckpointID) == key;

    private void Must(bool condition, string otherwise)
    {
        if (!condition)
        {
            world.Violations.Add(otherwise);
        }
    }
}
