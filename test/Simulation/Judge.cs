using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Simulation;

/// <summary>What must be true at the end, when nothing has gone wrong for a while.</summary>
internal sealed class Judge
{
    private readonly SimulatedServer _server;
    private readonly World _world;
    private readonly Troubles _troubles;
    private readonly Dictionary<string, PodMigration> _ended = [];

    public Judge(SimulatedServer server, World world, Troubles troubles)
    {
        (_server, _world, _troubles) = (server, world, troubles);
        server.Changed += (item, _) =>
        {
            if (item is PodMigration { Status.CompletionTime: not null } migration)
            {
                _ended[migration.Metadata.Uid!] = migration;
            }
        };
    }

    /// <summary>What became of the pod.</summary>
    public string Ending { get; private set; } = "";

    private List<Copy> _stood = [];

    /// <summary>Whether hours have passed since all was over.</summary>
    private bool _isOver;

    /// <summary>Takes down what runs when all is over.</summary>
    public void Remember() => _stood = [.. Running()];

    /// <summary>What must be true for ever after.</summary>
    public void DecideAfterAll()
    {
        _isOver = true;
        Must(Running().SequenceEqual(_stood), "what came late has changed what runs");
        Must(OfThePod().Count(c => c.Lives) == _stood.Count, "what came late has brought up another copy");
        Leftovers();
    }

    /// <param name="undisturbed">Nothing was lost and nobody died, as it happened.</param>
    public void Decide(bool undisturbed)
    {
        var migrations = _server.All<PodMigration>().ToList();
        foreach (var migration in migrations)
        {
            Must(
                migration.Status?.CompletionTime is not null,
                $"{migration.Metadata.Name} ends in {migration.Status?.Phase}: {migration.Status?.Message}");
        }

        // Also of what has been deleted since.
        migrations = [.. _ended.Values];
        var first = migrations.LastOrDefault(m => m.Metadata.Name == "m");
        Ending = first is null ? "deleted" : first.Status?.Outcome ?? "refused";
        var outcomes = migrations.Select(m => m.Status?.Outcome).OfType<string>().ToList();
        var best = _troubles.DryRun ? Outcomes.WouldMigrate : Outcomes.Restored;
        Must(!undisturbed || Ending == best, $"nothing was in its way, and it ended as {Ending}");
        Must(!_troubles.OnlyDelay
            || Ending == best,
            $"all that was in its way may only delay it, and it ended as {Ending}: {first?.Status?.Message}");
        Must(_troubles.OnFailure == OnFailurePolicies.ColdStart
            || !outcomes.Contains(Outcomes.ColdStarted), "it was started afresh, and nobody had asked for it");
        Must(
            !_server.RefusesFresh || migrations.All(m => m.Status?.Steps?.Any(s => s.Name == Steps.ColdStart) != true),
            "the source was taken for a pod that the server refuses");
        Must(
            migrations.All(
                m => m.Status?.Outcome != Outcomes.Restored || m.Status.Conditions.IsTrue(ConditionTypes.SourceFenced)),
            "the source was never fenced");
        Must(
            // That one attempt at a dump failed may be told late, when another has been made.
            !_troubles.Retains || _troubles.TakesCheckpoints || _world.DumpsFail
                || !outcomes.Contains(Outcomes.Restored) || Retained().Any(),
            "the checkpoint of a pod that was restored was to be kept, and is gone");
        if (_troubles.OnlyDelay && Ending == Outcomes.Restored)
        {
            Downtime(first!);
        }

        Copies(migrations, outcomes);
        Leftovers();
    }

    /// <summary>It is measured by two clocks, neither of which need be right.</summary>
    private void Downtime(PodMigration migration)
    {
        var target = _world.Copies.Find(c => c.Migration == migration.Metadata.Uid && c.RanAt is not null);
        var stood = (target?.RanAt - _world.Copies[0].StoppedAt)?.TotalMilliseconds;
        Must(
            stood is not null && migration.Status!.DowntimeMilliseconds is { } said && Math.Abs(said - stood.Value) < 2,
            $"the pod stood still for {stood} ms, and the status says {migration.Status!.DowntimeMilliseconds}");
    }

    private IEnumerable<PodCheckpoint> Retained() =>
        _server.All<PodCheckpoint>()
            .Where(c => c.Metadata is { OwnerReferences: not { Count: > 0 }, DeletionTimestamp: null });

    private IEnumerable<Copy> OfThePod() =>
        _world.Copies.Where(c => !_world.Nodes[c.Node].IsAway && c.Containers.All(p => p.Name != Troubles.Namesake));

    private IEnumerable<Copy> Running() =>
        OfThePod().Where(c => c.Containers.Count > 0 && c.Containers.All(p => p.Life == Life.Running));

    private void Copies(List<PodMigration> migrations, List<string> outcomes)
    {
        var running = Running().ToList();
        var source = _world.Copies[0];
        var sourceIsGone = _world.DeletedByUser.Contains(source.PodUid) || _world.Nodes[source.Node].IsGone
            || (_world.Nodes[source.Node].WasGivenUp
                && !_server.All<V1Pod>().Any(p => p.Metadata.Uid == source.PodUid));
        var diedFor = source.Containers.Select(c => c.DiedFor).OfType<string>().ToHashSet();
        var diedUnder = source.Containers.Select(c => c.DiedUnder).OfType<string>().ToHashSet();
        var lost = sourceIsGone || diedUnder.Count > 0 || _world.Copies.Any(c => c.IsTaken);
        Must(
            sourceIsGone
                || migrations.All(m => m.Status?.Outcome != Outcomes.RolledBack || !diedFor.Contains(m.Metadata.Uid!)),
            "it says RolledBack, and the source ended while it stood");
        Must(running.Count == 1 || (lost && running.Count == 0), $"{running.Count} copies run at the end");
        Must(OfThePod().Count(c => c.Lives) == running.Count, "more than one copy is left");
        Must(lost || !outcomes.Contains(Outcomes.Lost), "it says Lost, and nothing was taken away");
        foreach (var gone in migrations.Where(m => m.Status?.Outcome == Outcomes.SourceGone))
        {
            var sources = _world.Copies.Where(c => c.PodUid == gone.Status!.PodUID).ToList();
            // That it has gone with its node is somebody's word: one that nobody had touched goes on when that is back.
            Must(
                sources.All(c => !c.Lives || (_world.Nodes[c.Node].WasGivenUp
                    && c.Containers.All(p => p.Life == Life.Running))),
                "it says SourceGone, and the source lives");
            Must(
                sources.All(c => c.StoppedAt is null)
                    || migrations.Exists(m => m != gone && m.Status?.PodUID == gone.Status!.PodUID),
                "it says SourceGone, and had stopped the source");
        }

        Namesakes();
        if (running.Count == 1 && _world.Namesakes.Count == 0)
        {
            var where = migrations.FirstOrDefault(
                m => m.Status?.Outcome is Outcomes.Restored or Outcomes.ColdStarted)?.Spec.TargetNode
                ?? (outcomes.Count > 0 && migrations.Any(m => m.Metadata.Name == "m") ? "a" : null);
            Must(where is null
                || running[0].Node == where, $"it says {string.Join(", ", outcomes)} and runs on {running[0].Node}");
            Must(
                migrations.All(m => m.Status?.Outcome != Outcomes.Lost || diedUnder.Contains(m.Metadata.Uid!)),
                "it says Lost, and a copy runs that has all its memory");
            Must(
                _world.ReplicaSet is null || _server.All<V1Pod>()
                    .Any(p => p.Metadata.Uid == running[0].PodUid && _world.ReplicaSet.Has(p) && !Handover.IsDue(p)),
                "what runs is not its ReplicaSet's");
        }
        else if (running.Count == 0 && _world.Namesakes.Count == 0)
        {
            Must(migrations.LastOrDefault(m => m.Status?.Outcome is not null)?.Status?.Outcome != Outcomes.RolledBack
                || sourceIsGone, "it says RolledBack, and no copy runs");
        }
    }

    /// <summary>Another pod of the same name is none of the first one's, whatever becomes of that; but
    /// it may be migrated itself.</summary>
    private void Namesakes()
    {
        if (_world.Namesakes.Count > 0)
        {
            var copies = _world.Copies.Where(c => !_world.Nodes[c.Node].IsAway
                && c.Containers.Any(p => p.Name == Troubles.Namesake)).ToList();
            Must(
                copies.Count(c => c.Lives) == 1
                    || copies.Exists(c => c.IsTaken)
                    || copies.All(c => _world.Nodes[c.Node].IsGone),
                $"of a pod that was made under the name of another {copies.Count(c => c.Lives)} copies live");
        }
    }

    private void Leftovers()
    {
        var standing = _world.Nodes.Values.Where(n => !n.IsGone).ToList();
        // Of one that was given up and is back the agent forgets by itself what is of no pod any more, after an hour.
        Must(
            standing.All(n => n.Fences.Keys.All(uid => !_isOver && n.WasGivenUp && !_world.Knows(n, uid))),
            "a fence is left");
        Must(standing.All(n => n.Holds.Count == 0 || (!_isOver && n.WasGivenUp)), "an address is held still");
        Must(
            _server.All<CheckpointNode>()
                .Select(n => n.Metadata.Name)
                .Order()
                .SequenceEqual(_server.All<V1Node>().Select(n => n.Metadata.Name).Order()),
            "a node is not told of, or one that is gone");
        Must(_server.All<V1Pod>().Count(p => !_world.Nodes[p.Spec.NodeName!].IsGone) <= 1
            + _world.Namesakes.Count, "more than one pod is left");
        var checkpoints = _server.All<PodCheckpoint>().ToList();
        var retained = Retained().ToList();
        var pinned = retained.Where(c => c.Metadata.Annotations?.ContainsKey(WellKnown.Pinned) == true).ToList();
        Must(retained.Count == pinned.Count || _troubles.Retains, "a checkpoint is kept that nobody wanted");
        Must(retained.Except(pinned).All(c => c.Status?.Ready == true
            || _world.Nodes.Values.Any(n => n.IsGone)), "a checkpoint is kept that is not whole");

        // Whatever a node takes along that dies: who has waited for it in vain gives up, and only bytes may stay.
        var parts = _server.All<ContainerCheckpoint>().ToList();
        var contents = _server.All<PodCheckpointContent>().ToList();
        var partContents = _server.All<ContainerCheckpointContent>().ToList();
        Must(checkpoints.Count == retained.Count
            && parts.All(p => retained.Any(c => IsOf(p, c))), "a checkpoint is left");
        Must(
            contents.All(c => retained.Any(r => r.Metadata.Uid == c.Spec.PodCheckpointRef.Uid))
                && partContents.All(c => parts.Any(p => p.Metadata.Uid == c.Spec.ContainerCheckpointRef.Uid)),
            "a content is left");
        Must(_world.Store.Keys.All(key => retained.Any(c => IsStored(c, key)))
            || _world.Nodes.Values.Any(n => n.IsGone), "bytes are left");
        foreach (var whole in retained.Where(c => c.Status?.Ready == true))
        {
            var containers = whole.Status!.Containers!.Count;
            Must(
                _world.Store.Any(s => IsStored(whole, s.Key) && s.Value.Count == containers)
                    && contents.Exists(c => c.Spec.PodCheckpointRef.Uid == whole.Metadata.Uid)
                    && parts.Count(p => IsOf(p, whole)
                        && partContents.Exists(c => c.Spec.ContainerCheckpointRef.Uid == p.Metadata.Uid)) == containers,
                "a checkpoint that was to be kept has lost a part");
        }
    }

    private static bool IsOf(ContainerCheckpoint part, PodCheckpoint whole) =>
        part.Metadata.OwnerReferences?.Any(o => o.Uid == whole.Metadata.Uid) == true;

    private static bool IsStored(PodCheckpoint checkpoint, (string PodUid, string Checkpoint) key) =>
        (checkpoint.Status?.PodUID, checkpoint.Status?.CheckpointID) == key;

    private void Must(bool condition, string otherwise)
    {
        if (!condition)
        {
            _world.Violations.Add(otherwise);
        }
    }
}
