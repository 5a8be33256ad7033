using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Simulation;

/// <summary>The nodes, the volume, and what the kubelets do by themselves.</summary>
internal sealed class World(SimulatedServer server, Random random, TimeProvider time)
{
    /// <summary>A target that fails within this time has not stood its restore.</summary>
    private static readonly TimeSpan Trial = TimeSpan.FromSeconds(10);

    /// <summary>The last number that each container of the pod has said, wherever it ran.</summary>
    private readonly Dictionary<string, long> _said = [];

    public List<Copy> Copies { get; } = [];

    public Dictionary<string, Node> Nodes { get; } = new() { ["a"] = new Node("a"), ["b"] = new Node("b"), ["c"] = new Node("c") };

    public Dictionary<(string PodUid, string Checkpoint), Dictionary<string, long>> Store { get; } = [];

    public HashSet<(string, string)> Sealed { get; } = [];

    public bool DumpsFail { get; init; }

    public bool RestoresFail { get; init; }

    /// <summary>Whether the pod takes its address along.</summary>
    public bool OwnAddress { get; init; }

    /// <summary>How many migrations may be under way.</summary>
    public MigrationOptions Limits { get; init; } = new();

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

    /// <summary>Whether every dump is a migration's, which holds the pod meanwhile.</summary>
    public bool DumpsAreHeld { get; init; }

    /// <summary>Sources that were let go on, and for whom.</summary>
    public HashSet<(string PodUid, string Holder)> LetGoOn { get; } = [];

    /// <summary>Pods that the user has deleted.</summary>
    public HashSet<string> DeletedByUser { get; } = [];

    public List<string> Violations { get; } = [];

    /// <summary>Everything that the world could do next, but for counting on.</summary>
    public List<(string Name, Action Do)> Possible()
    {
        var result = new List<(string, Action)>();
        foreach (var pod in server.All<V1Pod>())
        {
            var copy = Copies.FirstOrDefault(c => c.PodUid == pod.Metadata.Uid);
            var node = Nodes[pod.Spec.NodeName!];
            if (node.IsDead)
            {
                if (node.IsGivenUp)
                {
                    result.Add(($"collector removes {pod.Metadata.Name}", () => server.Remove(pod)));
                }

                continue;
            }

            if (pod.Metadata.DeletionTimestamp is not null && !node.IsCut)
            {
                if (copy?.Lives != true)
                {
                    result.Add(($"kubelet removes {pod.Metadata.Name}", () => server.Remove(pod)));
                }
                else if (time.GetUtcNow() >= (copy.KilledAt ??= Later()))
                {
                    result.Add(($"kubelet kills {pod.Metadata.Name}", () => Kill(copy)));
                }

                continue;
            }

            if (copy is null)
            {
                if (!node.IsCut)
                {
                    result.Add(($"kubelet starts {pod.Metadata.Name}", () => Copies.Add(new Copy(pod.Metadata.Uid!, pod.Spec.NodeName!, []))));
                }

                continue;
            }

            var restores = pod.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true;
            if (copy.Containers.Count < pod.Spec.Containers.Count && copy.Containers.All(c => c.Started)
                && (restores || !node.Fences.ContainsKey(copy.PodUid)))
            {
                result.Add(($"create in {pod.Metadata.Name}", () => Create(copy, pod.Spec.Containers[copy.Containers.Count].Name, restores)));
            }

            var stage = node.Stages.GetValueOrDefault(copy.PodUid);
            foreach (var container in copy.Containers)
            {
                if (container.Life == Life.Waiting && stage is { Failed: null } && stage.Values.ContainsKey(container.Name)
                    && !stage.Broken.Contains(container.Name))
                {
                    result.Add(($"restores {pod.Metadata.Name}/{container.Name}", () => Restore(copy, container, stage)));
                }

                if (container is { Life: Life.Restored, Started: false } && stage is { Failed: null })
                {
                    result.Add(($"starts {pod.Metadata.Name}/{container.Name}", () =>
                    {
                        container.Started = true;
                        if (stage.Go)
                        {
                            Continue(copy, stage);
                        }
                    }));
                }
            }

            foreach (var container in copy.Containers)
            {
                // The fence hook and the restore handler have their say.
                if (container is { Life: Life.Dead, End: not null } && !node.Fences.ContainsKey(copy.PodUid) && (!restores || stage?.Verdict == "Run"))
                {
                    result.Add(($"kubelet starts {pod.Metadata.Name}/{container.Name} again", () => StartAgain(copy, container)));
                }

                if (Failures > 0 && container.Life is Life.Running or Life.Stopped && random.Next(40) == 0)
                {
                    result.Add(($"{pod.Metadata.Name}/{container.Name} fails", () => Fail(copy, container, stage)));
                }
            }

            if (!node.IsCut && KubeletReport.Of(pod, copy) is { } status)
            {
                result.Add(($"kubelet reports {pod.Metadata.Name}", () => server.Edit(pod, json =>
                    json["status"] = System.Text.Json.JsonSerializer.SerializeToNode(status, k8s.KubernetesJson.Options))));
            }
        }

        result.AddRange(Collectors());

        // Whose object was deleted by force.
        foreach (var copy in Copies.Where(c => c.Lives && !Nodes[c.Node].IsCut && server.All<V1Pod>().All(p => p.Metadata.Uid != c.PodUid)))
        {
            result.Add(($"kubelet kills what is left of {copy.PodUid[..8]}", () => Kill(copy)));
        }

        foreach (var node in Nodes.Values.Where(n => !n.IsDead))
        {
            foreach (var (key, dump) in node.Dumps.Where(d => d.Value is { Value: null, Failed: false }))
            {
                result.Add(($"dump of {key.Container} ends", () => End(node, key.PodUid, dump)));
            }
        }

        return result;
    }

    /// <summary>What takes away by itself what nobody needs: the cluster's garbage collector, and the agents' sweepers.</summary>
    private IEnumerable<(string, Action)> Collectors()
    {
        foreach (var act in ReplicaSet?.Acts(Violations) ?? [])
        {
            yield return act;
        }

        foreach (var item in server.Orphans())
        {
            yield return ($"collector deletes {item.Metadata.Name}", () => server.Delete(item));
        }

        foreach (var node in Nodes.Values.Where(n => n.AgentLives && !n.IsDead))
        {
            foreach (var (holder, _) in node.Holds.Where(h => h.Value < time.GetUtcNow() && !Copies.Any(c => c.Node == node.Name && c.Lives)))
            {
                yield return ($"{node.Name}: sweeper lets addresses go", () => node.LetGo(holder));
            }
        }
    }

    /// <summary>Whether a node's runtime has anything of a pod.</summary>
    public bool Knows(Node node, string podUid) => Copies.Any(c =>
        c.PodUid == podUid && c.Node == node.Name && (c.Lives || server.All<V1Pod>().Any(p => p.Metadata.Uid == podUid)));

    /// <summary>Much time has passed: the marks of what is over long since are forgotten.</summary>
    public void Forget()
    {
        foreach (var node in Nodes.Values.Where(n => n.AgentLives && !n.IsDead))
        {
            foreach (var mark in node.Lifted.Keys.Where(k => !Knows(node, k.PodUid) && !node.Fences.ContainsKey(k.PodUid)).ToList())
            {
                node.Lifted.Remove(mark);
            }

            foreach (var holder in node.HoldsOver.Where(h => !h.Value || !Copies.Any(c => c.Node == node.Name && c.Lives)).Select(h => h.Key).ToList())
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
        var running = Copies.SelectMany(c => c.Containers.Where(p => p.Life == Life.Running).Select(p => (c, p))).ToList();
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

    private string NameOf(Copy copy, Processes container) => HasClones ? $"{copy.PodUid}/{container.Name}" : container.Name;

    /// <summary>At no instant two copies.</summary>
    public void Check()
    {
        foreach (var name in HasClones ? [] : Copies.SelectMany(c => c.Containers).Select(c => c.Name).Distinct())
        {
            if (Copies.Count(c => c.Containers.Any(p => p.Name == name && p.Life == Life.Running)) > 1)
            {
                Violations.Add($"two copies of {name} run");
            }
        }

        // One whose create came when its migration was over has nobody who holds the address; it is taken away again. A pod that is
        // started afresh has no connections left.
        if (OwnAddress && server.All<V1Pod>().Any(p => p.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true
            && server.All<PodMigration>().Any(m => m.Metadata.Uid == p.Metadata.Labels?[WellKnown.MigrationUid] && m.Status?.CompletionTime is null
                && m.Status?.Steps?.Any(s => s.Name == Manager.PodMigrations.Steps.ColdStart) != true)
            && Copies.Any(c => c.PodUid == p.Metadata.Uid && !Nodes[c.Node].IsDead && Nodes[c.Node].Holds.Count == 0
                && Nodes[c.Node].Stages.GetValueOrDefault(c.PodUid)?.Go != true)))
        {
            Violations.Add("a target without its sockets answers for the address");
        }
    }

    /// <summary>A node dies with all that is on it.</summary>
    public void Die(Node node)
    {
        node.IsDead = true;
        foreach (var copy in Copies.Where(c => c.Node == node.Name))
        {
            copy.Excused |= copy.Containers.Any(c => c.Life == Life.Running);
            copy.Containers.ForEach(c => c.Life = Life.Dead);
        }
    }

    /// <summary>A stopped source goes on from where it stood; that is no loss where nothing is left of a later copy.</summary>
    public void Resume(string podUid)
    {
        foreach (var container in Copies.Where(c => c.PodUid == podUid).SelectMany(c => c.Containers).Where(c => c.Life == Life.Stopped))
        {
            container.Life = Life.Running;
            if (Copies.Any(c => c.PodUid != podUid && c.Excused))
            {
                _said[container.Name] = container.Counter;
            }
        }
    }

    /// <summary>All processes of a pod are killed, or those of one kind; its kubelet starts them again unless a fence stands, or they
    /// were to be restored.</summary>
    public void End(string podUid, Life? only = null)
    {
        foreach (var container in Copies.Where(c => c.PodUid == podUid).SelectMany(c => c.Containers).Where(c => c.Life != Life.Dead && (only ?? c.Life) == c.Life))
        {
            container.Life = Life.Dead;
            container.End = new V1ContainerStateTerminated { ExitCode = 137, FinishedAt = time.GetUtcNow().UtcDateTime };
        }
    }

    /// <summary>When a kill that begins now ends; the clock will come to it.</summary>
    private DateTimeOffset Later()
    {
        var takes = LongestKill * random.NextDouble();
        if (takes > TimeSpan.Zero)
        {
            time.CreateTimer(_ => { }, null, takes, Timeout.InfiniteTimeSpan);
        }

        return time.GetUtcNow() + takes;
    }

    private void Kill(Copy copy)
    {
        copy.Excused |= DeletedByUser.Contains(copy.PodUid) && copy.Containers.Any(c => c.Life == Life.Running);
        foreach (var container in copy.Containers)
        {
            (container.Life, container.End) = (Life.Dead, null);
        }
    }

    private void Create(Copy copy, string name, bool restores)
    {
        copy.Containers.Add(new Processes(name));
        if (!restores)
        {
            StartAgain(copy, copy.Containers[^1]);
            copy.Containers[^1].Restarts = 0;
        }
    }

    /// <summary>As any container is started: it counts from the beginning.</summary>
    private void StartAgain(Copy copy, Processes container)
    {
        (container.Life, container.Counter, container.Started) = (Life.Running, 0, true);
        container.Restarts++;
        _said[NameOf(copy, container)] = 0;
    }

    private void Fail(Copy copy, Processes container, Stage? stage)
    {
        Failures--;
        container.Life = Life.Dead;
        container.End = new V1ContainerStateTerminated { ExitCode = 1, FinishedAt = time.GetUtcNow().UtcDateTime };
        copy.Excused |= stage is not null && time.GetUtcNow() - stage.RunAt < Trial;
    }

    public void Continue(Copy copy, Stage stage)
    {
        if (stage.Members.All(m => copy.Containers.Any(c => c.Name == m && c.Started)) && (stage.Verdict ??= "Run") == "Run")
        {
            if (copy.Containers.Any(c => c.Life == Life.Restored))
            {
                stage.RunAt = time.GetUtcNow();
            }

            copy.Containers.ForEach(c => c.Life = c.Life == Life.Restored ? Life.Running : c.Life);
        }
    }

    private void Restore(Copy copy, Processes container, Stage stage)
    {
        if (RestoresFail && random.Next(2) == 0)
        {
            stage.Broken.Add(container.Name);
            return;
        }

        container.Life = Life.Restored;
        container.Counter = stage.Values[container.Name];
        if (HasClones)
        {
            _said[NameOf(copy, container)] = container.Counter;
        }
    }

    private void End(Node node, string podUid, Dump dump)
    {
        var container = Copies.FirstOrDefault(c => c.PodUid == podUid && c.Node == node.Name)?.Containers
            .FirstOrDefault(c => c.Name == dump.Container);
        if (container is null or { Life: Life.Dead } || (DumpsFail && random.Next(2) == 0))
        {
            dump.Failed = true;
            return;
        }

        dump.Value = container.Counter;
        if (dump.Fenced)
        {
            container.Life = Life.Stopped;
        }
    }
}
