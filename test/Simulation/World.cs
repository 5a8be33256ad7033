using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.Retention;

namespace PodCheckpointing.Simulation;

/// <summary>The nodes, the volume, and what is done to the processes there.</summary>
internal sealed partial class World(SimulatedServer server, Random random, TimeProvider time)
{
    /// <summary>A target that fails within this time has not stood its restore.</summary>
    private static readonly TimeSpan Trial = TimeSpan.FromSeconds(10);

    /// <summary>terminationGracePeriodSeconds of every pod.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    /// <summary>The last number that each container of the pod has said, wherever it ran.</summary>
    private readonly Dictionary<string, long> _said = [];

    public List<Copy> Copies { get; } = [];

    public Dictionary<string, Node> Nodes { get; } =
        new() { ["a"] = new Node("a"), ["b"] = new Node("b"), ["c"] = new Node("c") };

    public Dictionary<(string PodUid, string Checkpoint), Dictionary<string, Part>> Store { get; } = [];

    /// <summary>When something of a checkpoint was written last.</summary>
    public Dictionary<(string PodUid, string Checkpoint), DateTimeOffset> Written { get; } = [];

    public HashSet<(string, string)> Sealed { get; } = [];

    /// <summary>Of which checkpoints agents have been asked to stage what, by the uids of the pods.</summary>
    public Dictionary<string, (string PodUid, string Checkpoint)> Reads { get; } = [];

    public bool DumpsFail { get; init; }

    public bool RestoresFail { get; init; }

    /// <summary>Whether the pod takes its address along.</summary>
    public bool OwnAddress { get; init; }

    /// <summary>How many migrations may be under way.</summary>
    public MigrationOptions Limits { get; init; } = new();

    /// <summary>What is removed by rule.</summary>
    public RetentionOptions Retention { get; init; } = new();

    /// <summary>Who owns the pod; null: nobody.</summary>
    public ReplicaSet? ReplicaSet { get; init; }

    /// <summary>Whether several copies of one checkpoint may run: each counts for itself.</summary>
    public bool HasClones { get; init; }

    /// <summary>Every pod's.</summary>
    public const string Address = "10.0.0.1";

    /// <summary>The longest that a kubelet takes to kill a pod.</summary>
    public TimeSpan LongestKill { get; init; }

    /// <summary>How many containers may still fail by themselves.</summary>
    public int Failures { get; set; }

    /// <summary>Whether every dump is a migration's, which holds the pod meanwhile,
    /// but for those of snapshots.</summary>
    public bool DumpsAreHeld { get; init; }

    /// <summary>Ids of checkpoints that a user has asked for beside a migration.</summary>
    public HashSet<string> Snapshots { get; } = [];

    /// <summary>Pods that a user has made under a name that was free again.</summary>
    public HashSet<string> Namesakes { get; } = [];

    /// <summary>Sources that were let go on, and for whom.</summary>
    public HashSet<(string PodUid, string Holder)> LetGoOn { get; } = [];

    /// <summary>Whether its pods stay where a taint takes others away.</summary>
    public bool ToleratesAll { get; set; }

    /// <summary>Pods that the user has deleted.</summary>
    public HashSet<string> DeletedByUser { get; } = [];

    public List<string> Violations { get; } = [];

    /// <summary>Whether a node's runtime has anything of a pod.</summary>
    public bool Knows(Node node, string podUid) =>
        On(node, podUid) is { } copy && (copy.Lives || server.All<V1Pod>().Any(p => p.Metadata.Uid == podUid));

    /// <summary>What a node has, or has had, of a pod.</summary>
    public Copy? On(Node node, string podUid) =>
        Copies.Find(c => c.PodUid == podUid && c.Node == node.Name && !c.IsReplaced);

    /// <summary>Whether a pod, which a user has made, has been told what its restore has come to.</summary>
    public static bool HasOutcome(V1Pod pod) =>
        pod.Metadata.Annotations?.ContainsKey(WellKnown.RestoreOutcome) == true;

    /// <summary>Whether a pod, which a user has made, is being restored from a checkpoint. What its agent has been
    /// asked to stage is read until its outcome is told: pages may come when it runs.</summary>
    public bool IsRead((string PodUid, string Checkpoint) whole) => server.All<V1Pod>().Any(p =>
        p.Metadata.DeletionTimestamp is null && !StrayTargets.IsTarget(p) && !HasOutcome(p)
        && Reads.GetValueOrDefault(p.Metadata.Uid!) == whole);

    /// <summary>Whether the target of a migration has been let run.</summary>
    public bool HasRun(string migration) =>
        Copies.Any(c => c.Migration == migration && (c.RanAt is not null
            || Nodes[c.Node].Stages.GetValueOrDefault(c.PodUid)?.Verdict == "Run"));

    /// <summary>Much time has passed: the marks of what is over long since are forgotten.</summary>
    public void Forget()
    {
        foreach (var node in Nodes.Values.Where(n => n.AgentLives && !n.IsGone))
        {
            // Those of a pod that nobody knows there any more (FenceBook.Sweep).
            node.Fences.Keys.Where(uid => !Knows(node, uid)).ToList().ForEach(uid => node.Fences.Remove(uid));
            foreach (var mark in node.Lifted.Keys.Where(
                k => !Knows(node, k.PodUid) && !node.Fences.ContainsKey(k.PodUid))
                .ToList())
            {
                node.Lifted.Remove(mark);
                node.Continued.Remove(mark);
            }

            foreach (var holder in node.HoldsOver
                .Where(h => !h.Value || !Copies.Any(c => c.Node == node.Name && c.Lives))
                .Select(h => h.Key)
                .ToList())
            {
                node.HoldsOver.Remove(holder);
            }

            foreach (var pod in node.Stages.Keys.Where(uid => !Knows(node, uid)).ToList())
            {
                node.Stages.Remove(pod);
            }
        }
    }

    /// <summary>Lets one running container say its next number; every number is due once.</summary>
    public void Count()
    {
        var running =
            Copies.SelectMany(c => c.Containers.Where(p => p.Life == Life.Running).Select(p => (c, p))).ToList();
        if (running.Count == 0)
        {
            return;
        }

        var (copy, container) = running[random.Next(running.Count)];
        container.Counter++;
        var name = NameOf(copy, container);
        var due = _said.GetValueOrDefault(name) + 1;
        if (container.Counter != due)
        {
            Violations.Add($"{container.Name} on {copy.Node} says {container.Counter} where {due} was due");
        }

        _said[name] = Math.Max(_said.GetValueOrDefault(name), container.Counter);
    }

    /// <summary>A node dies with all that is on it.</summary>
    public void Die(Node node)
    {
        node.IsDead = true;
        foreach (var copy in Copies.Where(c => c.Node == node.Name))
        {
            copy.IsTaken |= copy.HasRun;
            copy.Containers.ForEach(c => c.Life = Life.Dead);
        }
    }

    /// <summary>A node begins anew: its processes are gone, its disk is there. What was restored there
    /// and had not run never will.</summary>
    public void Boot(Node node)
    {
        foreach (var copy in Copies.Where(c => c.Node == node.Name))
        {
            copy.HasFailed |= copy.Containers.Any(c => c.Life is Life.Running or Life.Stopped);
            if (node.Stages.TryGetValue(copy.PodUid, out var stage))
            {
                stage.HasBooted |= stage.Verdict == "Run";
            }

            foreach (var restored in copy.Containers.Where(c => c.Life == Life.Restored))
            {
                (restored.Life, restored.End) = (Life.Dead, null);
                node.Stages[copy.PodUid].Broken.Add(restored.Name);
            }

            foreach (var container in copy.Containers.Where(c => c.Life is Life.Running or Life.Stopped))
            {
                End(node, container);
            }
        }

        foreach (var dump in node.Dumps.Values.Where(d => d.Value is null))
        {
            dump.Failed = true;
        }
    }

    /// <summary>A stopped source goes on from where it stood; that is no loss where
    /// nothing is left of a later copy.</summary>
    public void Resume(Node node, string podUid)
    {
        foreach (var container in On(node, podUid)?.Containers.Where(c => c.Life == Life.Stopped) ?? [])
        {
            container.Life = Life.Running;
            container.StandsSince = null;
            if (Copies.Any(c => c.PodUid != podUid && c.IsExcused))
            {
                _said[container.Name] = container.Counter;
            }
        }
    }

    /// <summary>A source is ended for the target that has come through: nothing of it may begin again.</summary>
    public void EndForGood(Node node, string podUid)
    {
        // What ended under another fence before has: this end is nobody's loss.
        var before = On(node, podUid)?.Containers.Select(c => (c, c.DiedFor, c.DiedUnder)).ToList() ?? [];
        End(node, podUid);
        before.ForEach(b => (b.c.IsEnded, b.c.DiedFor, b.c.DiedUnder) = (true, b.DiedFor, b.DiedUnder));
    }

    /// <summary>All processes of a pod are killed, or those of one kind; its kubelet starts them again unless a fence
    /// stands, or they were to be restored.</summary>
    public void End(Node node, string podUid, Life? only = null)
    {
        foreach (var container in On(node, podUid)?.Containers.Where(c => c.Life != Life.Dead
            && (only ?? c.Life) == c.Life) ?? [])
        {
            End(node, container);
        }
    }

    /// <summary>Lets restored processes run, when all of them have been started.</summary>
    public void Continue(Copy copy, Stage stage)
    {
        if (!stage.Members.All(m => copy.Containers.Any(c => c.Name == m && c.Started)))
        {
            return;
        }

        if (stage.Verdict is null && copy.Containers.Find(c => c.Life == Life.Dead) is { } gone)
        {
            // Before any other runs: a pod does not run in part.
            stage.Broken.Add(gone.Name);
            return;
        }

        if ((stage.Verdict ??= "Run") == "Run" && copy.Containers.Any(c => c.Life == Life.Restored))
        {
            (copy.RanAt, stage.RunAt) = (time.GetUtcNow(), NowAt(Nodes[copy.Node]));
            foreach (var restored in copy.Containers.Where(c => c.Life == Life.Restored))
            {
                (restored.Life, restored.StandsSince) = (Life.Running, null);
            }
        }
    }

    /// <summary>The runtime restores a container, and leaves it stopped.</summary>
    public void Restore(Copy copy, Processes container, Stage stage, long value)
    {
        if (RestoresFail && random.Next(2) == 0)
        {
            stage.Broken.Add(container.Name);
            return;
        }

        container.Life = Life.Restored;
        container.Counter = value;
        if (HasClones)
        {
            _said[NameOf(copy, container)] = container.Counter;
        }
    }

    /// <summary>A dump that was under way is there, or has failed.</summary>
    public void End(Node node, string podUid, Dump dump)
    {
        var container = On(node, podUid)?.Containers.FirstOrDefault(c => c.Name == dump.Container);
        if (container is null or { Life: Life.Dead } || (DumpsFail && random.Next(2) == 0))
        {
            dump.Failed = true;
            return;
        }

        if (node.IsFull)
        {
            // CRIU has left it stopped by then, or had no room itself: the archive comes last (kubelet-and-crio.md).
            dump.Failed = true;
            if (dump.Fenced && random.Next(2) == 0)
            {
                Stop(On(node, podUid)!, container);
            }

            return;
        }

        (dump.Value, dump.TakenAt) = (container.Counter, NowAt(node));
        if (dump.Fenced)
        {
            Stop(On(node, podUid)!, container);
        }
    }

    /// <summary>What a node takes for the time.</summary>
    public DateTimeOffset NowAt(Node node) => time.GetUtcNow() + node.ClockOffset;

    private void End(Node node, Processes container)
    {
        Died(node, Copies.First(c => c.Containers.Contains(container)), container);
        container.Life = Life.Dead;
        container.StandsSince = container.KilledAt = null;
        container.End = new V1ContainerStateTerminated { ExitCode = 137, FinishedAt = NowAt(node).UtcDateTime };
    }

    private void Stop(Copy copy, Processes container)
    {
        copy.StoppedAt ??= time.GetUtcNow();
        container.Life = Life.Stopped;
        container.StandsSince = time.GetUtcNow();
    }

    private void Died(Node node, Copy copy, Processes container)
    {
        if (node.Fences.TryGetValue(copy.PodUid, out var holder))
        {
            var dumped = container.Life == Life.Stopped && server.All<ContainerCheckpointContent>().Any(
                c => c.Status?.Ready == true
                    && c.Spec.Source.PodUID == copy.PodUid
                    && c.Spec.Source.ContainerName == container.Name);
            (container.DiedUnder, container.DiedFor) = (holder, dumped ? holder : container.DiedFor);
        }
    }

    private string NameOf(Copy copy, Processes container) =>
        HasClones || copy.IsDisowned ? $"{copy.PodUid}/{container.Name}" : container.Name;
}
