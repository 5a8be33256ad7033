using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Simulation;

/// <summary>Whether each operator lets migrations begin within the limits and in their turn, by what it can
/// know.</summary>
/// <remarks>
/// What an operator has sent before it ended may arrive when the next one has counted. Of that this one learns later:
/// only until then may it be one too many.
/// </remarks>
internal sealed class SlotJudge
{
    private readonly SimulatedServer _server;
    private readonly World _world;
    private readonly Func<SimulatedOperator> _operator;
    private readonly HashSet<string> _begun = [];

    /// <summary>The operator that the rest is about, by its number.</summary>
    private int _life;

    /// <summary>What others have let begin since it has counted, and it has not gone on with.</summary>
    private readonly HashSet<string> _late = [];

    /// <summary>What it has let begin.</summary>
    private readonly HashSet<string> _own = [];

    /// <summary>Whom it has told that they wait.</summary>
    private readonly HashSet<string> _told = [];

    /// <summary>Who has a slot, and who had one when that was given.</summary>
    private readonly Dictionary<string, HashSet<string>> _held = [];

    public SlotJudge(SimulatedServer server, World world, Func<SimulatedOperator> leader)
    {
        (_server, _world, _operator) = (server, world, leader);
        server.Changed += (item, isGone) =>
        {
            if (item is PodMigration migration && !isGone)
            {
                Note(migration, leader());
            }
        };
    }

    /// <summary>After each step: who has been given a slot in it.</summary>
    public void Check()
    {
        var leader = Leader(_operator());
        var all = _server.All<PodMigration>().ToList();
        var held = all.Where(m => leader.Slots.Holds(ObjectKey.Of(m))).Select(m => m.Metadata.Uid!).ToHashSet();
        foreach (var over in _held.Keys.Except(held).ToList())
        {
            _held.Remove(over);
        }

        foreach (var migration in all.Where(m => held.Contains(m.Metadata.Uid!)
            && _held.TryAdd(m.Metadata.Uid!, held) && !IsUnderWay(m)))
        {
            var unknown = all.Find(m => IsUnderWay(m)
                && !held.Contains(m.Metadata.Uid!) && !_late.Contains(m.Metadata.Uid!));
            Must(
                unknown is null,
                $"{migration.Metadata.Name} is given a slot, and {unknown?.Metadata.Name} has not been counted");
            InTurn(migration, all, leader);
        }
    }

    private void Note(PodMigration migration, SimulatedOperator leader)
    {
        Leader(leader);
        var uid = migration.Metadata.Uid!;
        var begins = IsUnderWay(migration) && _begun.Add(uid);
        if (!leader.IsHeard)
        {
            if (begins && leader.Cluster.Counted is not null)
            {
                _late.Add(uid);
            }

            return;
        }

        _late.Remove(uid);
        if (MigrationSlots.Waits(migration))
        {
            _told.Add(uid);
        }

        if (begins)
        {
            _own.Add(uid);
            WithinLimits(migration);
        }
    }

    private void WithinLimits(PodMigration migration)
    {
        if (!_held.TryGetValue(migration.Metadata.Uid!, out var held))
        {
            _world.Violations.Add($"{migration.Metadata.Name} begins without a slot");
            return;
        }

        var underWay = _server.All<PodMigration>()
            .Where(m => IsUnderWay(m) && (held.Contains(m.Metadata.Uid!) || _own.Contains(m.Metadata.Uid!)))
            .Select(m => m.Status!)
            .ToList();
        var (from, to) = (migration.Status!.SourceNode, migration.Status.TargetNode);
        Must(underWay.Count <= _world.Limits.ParallelPerCluster, "more migrations are under way than may be");
        Must(
            underWay.Count(s => s.SourceNode == from) <= _world.Limits.ParallelOutboundPerNode,
            "more leave a node than may");
        Must(
            underWay.Count(s => s.TargetNode == to) <= _world.Limits.ParallelInboundPerNode,
            "more come to a node than may");
    }

    /// <summary>Of two that need the same, the older one begins first where it is known to wait, also
    /// before one that has just come.</summary>
    private void InTurn(PodMigration migration, List<PodMigration> all, SimulatedOperator leader)
    {
        var passed = all.Find(m => Waits(m)
            && (_told.Contains(m.Metadata.Uid!)
                || leader.Cluster.Counted!.Any(c => c.Metadata.Uid == m.Metadata.Uid && MigrationSlots.Waits(c)))
            && !leader.Slots.Holds(ObjectKey.Of(m))
            && NodeOf(m) == NodeOf(migration)
            && m.Spec.TargetNode == migration.Spec.TargetNode
            && m.Metadata.CreationTimestamp < migration.Metadata.CreationTimestamp);
        Must(passed is null, $"{migration.Metadata.Name} begins before {passed?.Metadata.Name}, which is older");
    }

    /// <summary>Another operator knows nothing yet.</summary>
    private SimulatedOperator Leader(SimulatedOperator leader)
    {
        if (leader.Lives != _life)
        {
            _life = leader.Lives;
            _late.Clear();
            _own.Clear();
            _told.Clear();
            _held.Clear();
        }

        return leader;
    }

    private string? NodeOf(PodMigration migration) => _server.Find<V1Pod>("n", migration.Spec.PodName)?.Spec.NodeName;

    private static bool IsUnderWay(PodMigration migration) =>
        migration.Status is { CompletionTime: null, Outcome: null } status
        && status.Conditions.IsTrue(ConditionTypes.Validated);

    private static bool Waits(PodMigration migration) =>
        migration is { Metadata.DeletionTimestamp: null, Spec.Abort: not true } && MigrationSlots.Waits(migration);

    private void Must(bool condition, string otherwise)
    {
        if (!condition)
        {
            _world.Violations.Add(otherwise);
        }
    }
}
