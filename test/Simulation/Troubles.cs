using System.Text.Json.Nodes;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Simulation;

/// <summary>What users do, and what befalls nodes and agents; the seed says what and when.</summary>
internal sealed partial class Troubles
{
    /// <summary>What the container of another pod of the same name is called.</summary>
    public const string Namesake = "x0";

    /// <summary>Seconds that no play lasts.</summary>
    private const int Forever = 100_000;

    private const string SnapshotName = "snapshot";
    private const string InTheForeground = "user: deletes the migration in the foreground";
    private const string ItsCheckpoint = "user: deletes the migration's checkpoint";
    private const string Snapshots = "user: takes a snapshot of the pod";
    private readonly SimulatedServer _server;
    private readonly World _world;
    private readonly Random _random;
    private readonly List<string> _trace;
    private readonly Dictionary<int, (string Name, Action Do)> _plan = [];
    private readonly int _crashes;
    private int _lateEnds;
    private readonly List<Action> _atTheEnd = [];

    /// <summary>When a user takes away the finalizers of migrations.</summary>
    private readonly HashSet<int> _takesFinalizers;

    /// <summary>What is done as soon as it can be, by when it can.</summary>
    private readonly List<(Func<bool> When, Action Do)> _waiting = [];

    /// <param name="server">The cluster.</param>
    /// <param name="world">The nodes.</param>
    /// <param name="random">The seed's.</param>
    /// <param name="trace">Is told what happens.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="kept">No pod is taken away, and no node is lost: whatever ends then has been ended by us.</param>
    /// <param name="ofMigration">Whether a user has a migration m of pod p in his hands.</param>
    public Troubles(
        SimulatedServer server, World world, Random random, List<string> trace, int seed, bool kept = false,
        bool ofMigration = true)
    {
        (_server, _world, _random, _trace) = (server, world, random, trace);
        _crashes = random.Next(3) == 0 ? 0 : random.Next(40, 300);
        OnFailure = random.Next(8) switch { 0 when !kept =>
            OnFailurePolicies.ColdStart, 1 => OnFailurePolicies.Leave, _ => null };
        Timeout = random.Next(4) == 0 ? random.Next(1, 40) : null;
        DryRun = random.Next(30) == 0;
        Retains = random.Next(5) == 0;
        _lateEnds = random.Next(3) == 0 ? random.Next(1, 4) : 0;
        if (ofMigration)
        {
            Maybe(3, "user: abort", () => Edit("m", json => json["spec"]!["abort"] = true));
            Maybe(7, "user: deletes the migration", () => Delete<PodMigration>("m"));
            Maybe(7, InTheForeground, () => Foreground("m"));
            Maybe(6, "user: migrates again", () => CreateMigration("m2", _random.Next(2) == 0 ? "b" : "c"));
            Maybe(8, Snapshots, Snapshot);
            Maybe(12, "user: deletes the migration, and makes it anew", Recreate);
            Maybe(14, ItsCheckpoint, DeleteCheckpoint);
            Maybe(14, "policy: no target pods", () => _server.Policy =
                item => item is V1Pod pod && StrayTargets.IsTarget(pod));
            Maybe(14, "policy: no checkpoints", () => _server.Policy =
                item => item is ContainerCheckpoint or ContainerCheckpointContent);
            Maybe(kept ? int.MaxValue : 14, "user: deletes the pod, and makes it anew", Replace);
            Maybe(kept ? int.MaxValue : 12, "user: deletes the source", () => DeletePod(_ => "p"));
            Maybe(
                kept ? int.MaxValue : 10, "user: deletes the target", () => DeletePod(m => m.Status?.RestoredPodName));
            Maybe(kept
                ? int.MaxValue
                : 10, "user: would delete the target when the source is being ended", () => _waiting.Add((
                () => _server.Find<PodMigration>("n", "m")?.Status?.Steps?.Any(s => s.Name == Steps.EndSource) == true,
                () => DeletePod(m => m.Status?.RestoredPodName))));
        }

        switch (random.Next(8))
        {
            case 0 when !kept:
                Maybe(1, "node b dies", () => Lose("b"));
                break;
            case 1 when !kept:
                Maybe(2, "node a dies", () => Lose("a"));
                break;
            case 2:
            case 3:
                var node = random.Next(3) == 0 ? "a" : "b";
                Maybe(1, $"node {node} is cut off", () => Cut(node, true));
                Maybe(2, $"node {node} is back", () => Cut(node, false));
                break;
            case 4:
                var boots = random.Next(2) == 0 ? "a" : "b";
                Maybe(1, $"node {boots} boots", () => Boot(world.Nodes[boots]));
                Maybe(3, $"node {boots} boots once more", () => Boot(world.Nodes[boots]));
                break;
        }

        foreach (var clock in world.Nodes.Values.Where(_ => random.Next(2) == 0))
        {
            clock.ClockOffset = TimeSpan.FromSeconds(random.Next(-3, 4));
        }

        Faults = new Faults(world, seed, trace, name => Ready(name, world.Nodes[name].IsUp), ofMigration);
        Returns = new Returns(server, world, this, trace, seed, mayBeLost: ofMigration && !kept);
        Ttl = random.Next(6) == 0 ? random.Next(60) : null;
        _takesFinalizers = ofMigration ? FinalizersTakenAt(seed) : [];
        OnlyDelay = _plan.Values.All(p => p.Name == Snapshots)
            && Returns.AreNone && Faults.OnlyDelay && Timeout is null && !DryRun
            && !world.DumpsFail && !world.RestoresFail && world.Failures == 0;
        TakesCheckpoints = _plan.Values.Any(p => p.Name is InTheForeground or ItsCheckpoint);
        AreNone = OnlyDelay && Faults.AreNone && _plan.Count == 0 && _crashes == 0 && _lateEnds == 0;
    }

    /// <summary>What breaks inside of the nodes.</summary>
    public Faults Faults { get; }

    /// <summary>What is given up for lost, and comes back.</summary>
    public Returns Returns { get; }

    public string? OnFailure { get; }

    public int? Timeout { get; }

    /// <summary>After how many seconds what has ended is taken away.</summary>
    public int? Ttl { get; }

    public bool DryRun { get; }

    /// <summary>Whether whole checkpoints are kept.</summary>
    public bool Retains { get; }

    /// <summary>Whether a user deletes what a migration has made.</summary>
    public bool TakesCheckpoints { get; }

    /// <summary>Whether nothing is in the way but lost calls, parts that begin again, and
    /// somebody else's checkpoint.</summary>
    public bool OnlyDelay { get; }

    /// <summary>Whether nothing at all is in the way.</summary>
    public bool AreNone { get; }

    public void Happen(int step)
    {
        if (_plan.TryGetValue(step, out var act))
        {
            _trace.Add(act.Name);
            act.Do();
        }

        if (_takesFinalizers.Contains(step))
        {
            TakeFinalizers();
        }

        Faults.Happen(step);
        Returns.Happen(step);
        foreach (var due in _waiting.Where(w => w.When()).ToList())
        {
            _waiting.Remove(due);
            due.Do();
        }

        if (_crashes > 0
            && _random.Next(_crashes) == 0
            && _world.Nodes.Values.ElementAt(_random.Next(2)) is { IsOff: false } node)
        {
            _trace.Add($"agent {node.Name} {(node.AgentLives ? "dies" : "lives")}");
            Restart(node, !node.AgentLives);
        }
    }

    /// <summary>Whether an operator ends just when it has sent something, which arrives much later.</summary>
    public bool EndsInTheAct() => _lateEnds > 0 && _random.Next(40) == 0 && _lateEnds-- > 0;

    public bool OperatorDies() => _crashes > 0 && _random.Next(_crashes * 2) == 0;

    /// <summary>What can come back does, and of what cannot somebody says so.</summary>
    public void End()
    {
        _server.Policy = null;
        Returns.End();
        foreach (var node in _world.Nodes.Values.Where(n => !n.IsGone))
        {
            if (node.IsOff)
            {
                ComeUp(node);
            }

            Revive(node);
            if (node.IsCut)
            {
                Cut(node.Name, false);
            }
        }

        Faults.End();
        _atTheEnd.ForEach(act => act());
    }

    /// <summary>A pod may have come to a dead node after its user's word about the others; false where nothing is left
    /// to be said.</summary>
    public bool SayAgain()
    {
        var silent = _world.Nodes.Values.Where(n => n is { IsDead: true, IsGivenUp: false }).ToList();
        silent.ForEach(PutOutOfService);
        return silent.Count > 0;
    }

    /// <summary>Its kubelet tells no more, or again.</summary>
    public void Ready(string name, bool ready)
    {
        // Of one whose object was deleted nobody tells.
        if (_server.Find<V1Node>(null, name) is { } node)
        {
            ready &= _world.Nodes[name].KubeletLives;
            _server.Edit(node, json => json["status"]!["conditions"]![0]!["status"] = ready ? "True" : "False");
            if (!ready && _world.Nodes[name] is { IsGivenUp: true } tainted)
            {
                // A taint that stands there already counts from now on.
                _world.GiveUp(tainted, runsOn: tainted is { IsOff: false, IsDead: false });
            }
        }

        _world.DisownDeleted();
    }

    /// <summary>Somebody deletes its object.</summary>
    public void DeleteNode(Node node)
    {
        _server.Remove(_server.Find<V1Node>(null, node.Name)!);
        node.IsForgotten = node.IsGivenUp = true;
    }

    /// <summary>It has no power.</summary>
    public void GoDown(Node node)
    {
        _world.Boot(node);
        node.IsOff = true;
        Restart(node, lives: false);
        Ready(node.Name, false);
    }

    /// <summary>It has power, and its agent and its kubelet begin.</summary>
    public void ComeUp(Node node)
    {
        _trace.Add($"node {node.Name} is up");
        node.IsOff = false;
        Restart(node, lives: true);
        Ready(node.Name, true);
    }

    /// <summary>kubelet begins an agent that has died.</summary>
    public static void Revive(Node node)
    {
        if (!node.AgentLives)
        {
            Restart(node, lives: true);
        }
    }

    /// <summary>Somebody says that it is shut down.</summary>
    public void PutOutOfService(Node node)
    {
        _trace.Add($"user: node {node.Name} is out of service");
        node.IsGivenUp = true;
        _server.Edit(_server.Find<V1Node>(null, node.Name)!, json => json["spec"] = new JsonObject
        {
            ["taints"] = new JsonArray(
                new JsonObject { ["key"] = "node.kubernetes.io/out-of-service", ["effect"] = "NoExecute" }),
        });
    }

    private void Maybe(int oneIn, string name, Action act)
    {
        if (_random.Next(oneIn) == 0)
        {
            // Two at one step: the later one wins.
            _plan[_random.Next(300)] = (name, act);
        }
    }

    private void Boot(Node node)
    {
        var left = _random.Next(5, 80);
        if (!node.IsAway)
        {
            GoDown(node);
            _waiting.Add((() => node is { IsOff: true, IsAway: false } && left-- == 0, () => ComeUp(node)));
        }
    }

    private static void Restart(Node node, bool lives)
    {
        node.AgentLives = lives;
        node.Agents++;
    }

    private void Cut(string name, bool cut)
    {
        if (_world.Nodes[name] is { IsAway: false } node)
        {
            node.IsCut = cut;
            Ready(name, !node.IsCut);
        }
    }

    private void Lose(string name)
    {
        if (_world.Nodes[name].IsAway)
        {
            return;
        }

        _world.Die(_world.Nodes[name]);
        Ready(name, false);
        // The user's word comes late, and in one of three ways.
        _atTheEnd.Add(() =>
        {
            var word = _random.Next(3);
            _trace.Add($"user: node {name} is dead ({word})");
            if (word == 2 && name == "b")
            {
                _server.All<V1Pod>().Where(p => p.Spec.NodeName == name).ToList().ForEach(_server.Remove);
            }
            else if (word == 1)
            {
                DeleteNode(_world.Nodes[name]);
            }
            else
            {
                PutOutOfService(_world.Nodes[name]);
            }
        });
    }
}
