namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Which limit is reached.</summary>
internal enum SlotLimit
{
    Cluster,
    Namespace,
    Outbound,
    Inbound,

    /// <summary>None of the nodes that could be the target has room.</summary>
    AnyTarget,
}

/// <summary>What is in the way of a migration.</summary>
/// <param name="Limit">The limit that is reached.</param>
/// <param name="Where">The node, or the namespace.</param>
/// <param name="IsKept">Whether the room that is left there is kept for older ones.</param>
internal readonly record struct SlotObstacle(SlotLimit Limit, string? Where, bool IsKept)
{
    /// <summary>What a user should know; true for as long as <see cref="SlotLoad.Stands"/> says so.</summary>
    public string Message(MigrationOptions limits)
    {
        var (most, what, setting) = Limit switch
        {
            SlotLimit.Cluster => (limits.ParallelPerCluster, "in the cluster", nameof(limits.ParallelPerCluster)),
            SlotLimit.Namespace => (limits.ParallelPerNamespace, $"in namespace {Where}", nameof(
                limits.ParallelPerNamespace)),
            SlotLimit.Outbound => (limits.ParallelOutboundPerNode, $"away from node {Where}", nameof(
                limits.ParallelOutboundPerNode)),
            SlotLimit.Inbound => (limits.ParallelInboundPerNode, $"to node {Where}", nameof(
                limits.ParallelInboundPerNode)),
            _ => (limits.ParallelInboundPerNode, "to each node that could be the target", nameof(
                limits.ParallelInboundPerNode)),
        };
        return IsKept
            ? $"waits for its turn: at most {most} migrations {what} may be under way, and older ones wait for that "
                + $"(Operator:Migrations:{setting})"
            : $"waits for its turn: {most} of {most} migrations {what} are under way (Operator:Migrations:{setting})";
    }
}

/// <summary>How much room there is, while one pass over those that wait gives it away.</summary>
internal sealed class SlotLoad
{
    private readonly MigrationOptions _limits;
    private readonly Dictionary<string, int> _namespaces = [];
    private readonly Dictionary<string, int> _outbound = [];
    private readonly Dictionary<string, int> _inbound = [];
    private readonly Dictionary<string, int> _outboundKept = [];
    private readonly Dictionary<string, int> _inboundKept = [];
    private int _all;

    public SlotLoad(MigrationOptions limits, IEnumerable<(string Namespace, string Source, string Target)> held)
    {
        _limits = limits;
        foreach (var (space, source, target) in held)
        {
            Take(space, source, target);
        }
    }

    public void Take(string space, string source, string target)
    {
        _all++;
        Count(_namespaces, space);
        Count(_outbound, source);
        Count(_inbound, target);
    }

    /// <summary>Keeps the next slot of these nodes for one that waits; a place in the cluster is not kept, for whoever
    /// ends gives it to the oldest that can begin.</summary>
    public void Reserve(string source, string? target)
    {
        Count(_outboundKept, source);
        if (target is not null)
        {
            Count(_inboundKept, target);
        }
    }

    /// <summary>Where a migration can go, or what is in its way.</summary>
    public (string? Target, SlotObstacle? Obstacle) Place(
        string space, string source, string? wanted, Func<IReadOnlyList<string>> targets)
    {
        if (_all >= _limits.ParallelPerCluster)
        {
            return (null, new SlotObstacle(SlotLimit.Cluster, null, IsKept: false));
        }

        if (IsFull(space))
        {
            return (null, new SlotObstacle(SlotLimit.Namespace, space, IsKept: false));
        }

        if (OutboundLeft(source, kept: true) <= 0)
        {
            return (null, new SlotObstacle(SlotLimit.Outbound, source, OutboundLeft(source, kept: false) > 0));
        }

        return targets().FirstOrDefault(t => InboundLeft(t, kept: true) > 0) is { } target
            ? (target, null)
            : wanted is null
                ? (null, new SlotObstacle(SlotLimit.AnyTarget, null, IsKept: false))
                : (null, new SlotObstacle(SlotLimit.Inbound, wanted, InboundLeft(wanted, kept: false) > 0));
    }

    /// <summary>Whether an obstacle that was met before still stands.</summary>
    public bool Stands(SlotObstacle obstacle) => obstacle.Limit switch
    {
        SlotLimit.Cluster => _all >= _limits.ParallelPerCluster,
        SlotLimit.Namespace => IsFull(obstacle.Where!),
        SlotLimit.Outbound => OutboundLeft(obstacle.Where!, obstacle.IsKept) <= 0,
        SlotLimit.Inbound => InboundLeft(obstacle.Where!, obstacle.IsKept) <= 0,
        _ => false,
    };

    private bool IsFull(string space) => _namespaces.GetValueOrDefault(space) >= _limits.ParallelPerNamespace;

    private int OutboundLeft(string node, bool kept) =>
        _limits.ParallelOutboundPerNode - _outbound.GetValueOrDefault(node) - (kept
            ? _outboundKept.GetValueOrDefault(node)
            : 0);

    private int InboundLeft(string node, bool kept) =>
        _limits.ParallelInboundPerNode - _inbound.GetValueOrDefault(node) - (kept
            ? _inboundKept.GetValueOrDefault(node)
            : 0);

    private static void Count(Dictionary<string, int> counts, string node) =>
        counts[node] = counts.GetValueOrDefault(node) + 1;
}
