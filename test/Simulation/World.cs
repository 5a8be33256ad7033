using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

internal enum Life
{
    /// <summary>Created, and waits for its checkpoint.</summary>
    Waiting,

    /// <summary>Restored, not let go.</summary>
    Restored,
    Running,

    /// <summary>Left stopped by a dump.</summary>
    Stopped,
    Dead,
}

/// <summary>One container's processes: they count.</summary>
internal sealed class Processes(string name)
{
    public string Name { get; } = name;

    public Life Life { get; set; }

    public bool Started { get; set; }

    public long Counter { get; set; }
}

/// <summary>What runs of one pod on one node.</summary>
internal sealed record Copy(string PodUid, string Node, List<Processes> Containers)
{
    public bool Lives => Containers.Any(c => c.Life is not Life.Dead);
}

/// <summary>One dump: it goes on without the agent that asked for it.</summary>
internal sealed class Dump
{
    public required string Container { get; init; }

    public required bool Fenced { get; init; }

    /// <summary>The counter in the archive; null while the dump is under way.</summary>
    public long? Value { get; set; }

    public bool Failed { get; set; }
}

/// <summary>What an agent has staged for a pod.</summary>
internal sealed class Stage
{
    public Dictionary<string, long> Values { get; } = [];

    public HashSet<string> Broken { get; } = [];

    public List<string> Members { get; set; } = [];

    public bool Go { get; set; }

    /// <summary>Whether it runs, decided once.</summary>
    public string? Verdict { get; set; }

    public string? Failed { get; set; }
}

/// <summary>A node's disk, and whether its agent lives.</summary>
internal sealed class Node(string name)
{
    public string Name { get; } = name;

    public bool AgentLives { get; set; } = true;

    /// <summary>Counts the agent's lives.</summary>
    public int Agents { get; set; }

    public Dictionary<string, string> Fences { get; } = [];

    public Dictionary<(string PodUid, string Checkpoint, string Container), Dump> Dumps { get; } = [];

    public Dictionary<string, Stage> Stages { get; } = [];
}

/// <summary>The nodes, the volume, and what the kubelets do by themselves.</summary>
internal sealed class World(SimulatedServer server, Random random)
{
    /// <summary>The last number that each container of the pod has said, wherever it ran.</summary>
    private readonly Dictionary<string, long> _said = [];

    public List<Copy> Copies { get; } = [];

    public Dictionary<string, Node> Nodes { get; } = new() { ["a"] = new Node("a"), ["b"] = new Node("b") };

    public Dictionary<(string PodUid, string Checkpoint), Dictionary<string, long>> Store { get; } = [];

    public HashSet<(string, string)> Sealed { get; } = [];

    public bool DumpsFail { get; init; }

    public bool RestoresFail { get; init; }

    public List<string> Violations { get; } = [];

    /// <summary>Everything that the world could do next, but for counting on.</summary>
    public List<(string Name, Action Do)> Possible()
    {
        var result = new List<(string, Action)>();
        foreach (var pod in server.All<V1Pod>())
        {
            var copy = Copies.FirstOrDefault(c => c.PodUid == pod.Metadata.Uid);
            if (pod.Metadata.DeletionTimestamp is not null)
            {
                if (copy?.Lives == true)
                {
                    result.Add(($"kubelet kills {pod.Metadata.Name}", () => copy.Containers.ForEach(c => c.Life = Life.Dead)));
                }
                else
                {
                    result.Add(($"kubelet removes {pod.Metadata.Name}", () => server.Remove(pod)));
                }

                continue;
            }

            if (copy is null)
            {
                result.Add(($"kubelet starts {pod.Metadata.Name}", () => Copies.Add(new Copy(pod.Metadata.Uid!, pod.Spec.NodeName!, []))));
                continue;
            }

            var node = Nodes[copy.Node];
            if (copy.Containers.Count < pod.Spec.Containers.Count && copy.Containers.All(c => c.Started))
            {
                result.Add(($"create waits in {pod.Metadata.Name}", () => copy.Containers.Add(new Processes(pod.Spec.Containers[copy.Containers.Count].Name))));
            }

            var stage = node.Stages.GetValueOrDefault(copy.PodUid);
            foreach (var container in copy.Containers)
            {
                if (container.Life == Life.Waiting && stage is { Failed: null } && stage.Values.ContainsKey(container.Name)
                    && !stage.Broken.Contains(container.Name))
                {
                    result.Add(($"restores {pod.Metadata.Name}/{container.Name}", () => Restore(container, stage)));
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

            if (StatusOf(pod, copy) is { } status)
            {
                result.Add(($"kubelet reports {pod.Metadata.Name}", () => server.Edit(pod, json =>
                    json["status"] = System.Text.Json.JsonSerializer.SerializeToNode(status, k8s.KubernetesJson.Options))));
            }
        }

        foreach (var node in Nodes.Values)
        {
            foreach (var (key, dump) in node.Dumps.Where(d => d.Value is { Value: null, Failed: false }))
            {
                result.Add(($"dump of {key.Container} ends", () => End(node, key.PodUid, dump)));
            }
        }

        return result;
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
        var due = _said.GetValueOrDefault(container.Name) + 1;
        if (container.Counter != due)
        {
            Violations.Add($"{container.Name} on {copy.Node} says {container.Counter} where {due} was due");
        }

        _said[container.Name] = Math.Max(_said.GetValueOrDefault(container.Name), container.Counter);
    }

    /// <summary>At no instant two copies.</summary>
    public void Check()
    {
        foreach (var name in Copies.SelectMany(c => c.Containers).Select(c => c.Name).Distinct())
        {
            if (Copies.Count(c => c.Containers.Any(p => p.Name == name && p.Life == Life.Running)) > 1)
            {
                Violations.Add($"two copies of {name} run");
            }
        }
    }

    public static void Continue(Copy copy, Stage stage)
    {
        if (stage.Members.All(m => copy.Containers.Any(c => c.Name == m && c.Started)) && (stage.Verdict ??= "Run") == "Run")
        {
            copy.Containers.ForEach(c => c.Life = c.Life == Life.Restored ? Life.Running : c.Life);
        }
    }

    private void Restore(Processes container, Stage stage)
    {
        if (RestoresFail && random.Next(2) == 0)
        {
            stage.Broken.Add(container.Name);
            return;
        }

        container.Life = Life.Restored;
        container.Counter = stage.Values[container.Name];
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

    private static V1PodStatus? StatusOf(V1Pod pod, Copy copy)
    {
        var started = copy.Containers.Where(c => c.Started).Select(c => c.Name).ToList();
        return started.Count == (pod.Status?.ContainerStatuses?.Count ?? 0)
            ? null
            : new V1PodStatus
            {
                Phase = "Running",
                ContainerStatuses =
                [
                    .. started.Select(n => new V1ContainerStatus
                    {
                        Name = n, Ready = true, State = new V1ContainerState { Running = new V1ContainerStateRunning() },
                    }),
                ],
            };
    }
}
