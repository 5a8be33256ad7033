using k8s.Models;

namespace PodCheckpointing.Simulation;

/// <summary>What breaks inside of a node, and of the volume. By random streams of its own, one for each kind: so a
/// seed's other troubles stay as they were when one is added.</summary>
internal sealed class Faults
{
    private readonly World _world;
    private readonly List<string> _trace;
    private readonly List<(int Step, string Name, Action Do)> _plan = [];

    private readonly bool _isNothing;

    /// <summary>What is mended when nothing goes wrong any more.</summary>
    private readonly List<Action> _atTheEnd = [];

    /// <summary>What stays broken until somebody mends it, who has been told.</summary>
    private readonly List<(string Name, Action Do)> _forGood = [];

    /// <param name="world">The nodes.</param>
    /// <param name="seed">The play's.</param>
    /// <param name="trace">Is told what happens.</param>
    /// <param name="tell">Tells the API server again whether a node is ready.</param>
    /// <param name="ofMigration">Whether a user looks at what a migration m says of itself, and mends what it
    /// names.</param>
    public Faults(World world, int seed, List<string> trace, Action<string> tell, bool ofMigration)
    {
        (_world, _trace) = (world, trace);
        OnlyDelay = _isNothing = ProbeOf(seed) is null;
        OfAgents(new Random(unchecked((seed * 7919) + 1)), ofMigration);
        OfKubelets(new Random(unchecked((seed * 7919) + 2)), tell, ofMigration);
    }

    /// <summary>The liveness probe of a play's pod; null: it has none.</summary>
    public static V1Probe? ProbeOf(int seed) =>
        new Random(unchecked((seed * 7919) + 3)) is var random && random.Next(6) == 0
        ? new V1Probe { FailureThreshold = random.Next(2, 6), PeriodSeconds = random.Next(2, 15) }
        : null;

    /// <summary>Whether whatever breaks may only delay a migration that has all the time.</summary>
    public bool OnlyDelay { get; private set; }

    /// <summary>Whether nothing breaks.</summary>
    public bool AreNone => _isNothing && _plan.Count == 0;

    /// <summary>Whether something is broken that nobody has mended.</summary>
    public bool Stand => _forGood.Count > 0;

    public void Happen(int step)
    {
        foreach (var (_, name, act) in _plan.Where(p => p.Step == step))
        {
            _trace.Add(name);
            act();
        }
    }

    /// <summary>What passes by itself has passed.</summary>
    public void End() => _atTheEnd.ForEach(act => act());

    /// <summary>The user mends what he has been told of; false where nothing is broken.</summary>
    public bool Mend()
    {
        var stood = Stand;
        foreach (var (name, act) in _forGood)
        {
            _trace.Add($"user: mends what was wrong: {name}");
            act();
        }

        _forGood.Clear();
        return stood;
    }

    private void OfAgents(Random random, bool ofMigration)
    {
        if (random.Next(5) != 0)
        {
            return;
        }

        var one = _world.Nodes.Values.ElementAt(random.Next(2));
        List<Node> nodes = random.Next(3) == 0 ? [.. _world.Nodes.Values] : [one];
        var (name, fault) = random.Next(8) switch
        {
            0 => ("the volume has no room", AgentFault.VolumeFull()),
            1 => ("the volume is away", AgentFault.VolumeAway()),
            2 or 3 => ("the disk is full", AgentFault.DiskFull()),
            _ => ("the agent is broken", AgentFault.Broken(random)),
        };
        // Of a volume without room every agent says so.
        nodes = name.EndsWith("has no room", StringComparison.Ordinal) ? [.. _world.Nodes.Values] : nodes;
        OnlyDelay &= !name.EndsWith("has no room", StringComparison.Ordinal) && !fault.IsFullDisk;
        Last(
            random, $"{string.Join(", ", nodes.Select(n => n.Name))}: {name}", ofMigration,
            () => nodes.ForEach(n => n.Fault = fault), () => nodes.ForEach(n => n.Fault = null));
    }

    /// <summary>A kubelet that is dead while its node's agent and runtime live: no pod is created, ended or told of
    /// there.</summary>
    private void OfKubelets(Random random, Action<string> tell, bool ofMigration)
    {
        if (random.Next(10) != 0)
        {
            return;
        }

        var node = _world.Nodes.Values.ElementAt(random.Next(2));
        OnlyDelay = false;
        Last(
            random, $"{node.Name}: kubelet is dead", ofMigration,
            () =>
            {
                _world.EndKubelet(node);
                tell(node.Name);
            },
            () =>
            {
                if (!node.KubeletLives)
                {
                    _world.BeginKubelet(node);
                    tell(node.Name);
                }
            });
    }

    /// <summary>For a while, as long as anything may go wrong, or for good.</summary>
    private void Last(Random random, string name, bool mayStay, Action begin, Action end)
    {
        var from = random.Next(300);
        var stays = mayStay && random.Next(3) == 0;
        _plan.Add((from, name, () =>
        {
            begin();
            (stays ? () => _forGood.Add((name, end)) : (Action)(() => _atTheEnd.Add(end)))();
        }));
        if (!stays && random.Next(2) == 0)
        {
            _plan.Add((from + random.Next(5, 250), $"no more: {name}", end));
        }
    }
}
