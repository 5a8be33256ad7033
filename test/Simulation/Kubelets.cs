using System.Text.Json;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Simulation;

/// <summary>What kubelets, runtimes and collectors do by themselves.</summary>
internal sealed class Kubelets(SimulatedServer server, World world, Random random, TimeProvider time)
{
    /// <summary>For how long a create waits for its checkpoint (Handler/checkpoint-restore): less than kubelet waits
    /// for the runtime.</summary>
    private static readonly TimeSpan HandlersTime = TimeSpan.FromSeconds(100);

    /// <summary>Everything that could happen next, but for counting on.</summary>
    public List<(string Name, Action Do)> Possible()
    {
        var pods = server.All<V1Pod>().ToList();
        List<(string, Action)> result = [.. pods.SelectMany(ActsOn), .. Collectors()];

        // Whose object was deleted by force.
        foreach (var copy in world.Copies.Where(c => c.Lives
            && world.Nodes[c.Node] is { IsUp: true, KubeletLives: true } && pods.All(p => p.Metadata.Uid != c.PodUid)))
        {
            result.Add(($"kubelet kills what is left of {copy.PodUid[..8]}", () => world.Kill(copy)));
        }

        foreach (var node in world.Nodes.Values.Where(n => !n.IsDead))
        {
            foreach (var (key, dump) in node.Dumps.Where(d => d.Value is { Value: null, Failed: false }))
            {
                result.Add(($"dump of {key.Container} ends", () => world.End(node, key.PodUid, dump)));
            }
        }

        return result;
    }

    private IEnumerable<(string, Action)> ActsOn(V1Pod pod)
    {
        var node = world.Nodes[pod.Spec.NodeName!];
        var copy = world.On(node, pod.Metadata.Uid!);
        if (node.IsDead)
        {
            return node.IsGivenUp ? [($"collector removes {pod.Metadata.Name}", () => server.Remove(pod))] : [];
        }

        List<(string, Action)> collected = node.IsGivenUp && !(world.ToleratesAll && !node.IsForgotten)
            && !(IsReady(node) && pod.Metadata.DeletionTimestamp is not null)
            ? [Collect(pod, node)]
            : [];
        return [.. collected, .. ActsOf(node, pod, copy)];
    }

    /// <summary>A pod of a node that is given up goes at once where nobody hears of that; where it is ready, its
    /// kubelet has the word.</summary>
    private (string, Action) Collect(V1Pod pod, Node node) => IsReady(node)
        ? ($"taint evicts {pod.Metadata.Name}", () => Evict(pod))
        : ($"collector removes {pod.Metadata.Name}", () => server.Remove(pod));

    /// <summary>A user's taint ends what runs there.</summary>
    private void Evict(V1Pod pod)
    {
        world.DeletedByUser.Add(pod.Metadata.Uid!);
        server.Delete(pod);
    }

    private bool IsReady(Node node) =>
        server.Find<V1Node>(null, node.Name) is { } known && AgentDirectory.IsReady(known);

    private IEnumerable<(string, Action)> ActsOf(Node node, V1Pod pod, Copy? copy)
    {
        if (node.IsOff || !node.KubeletLives)
        {
            return [];
        }

        if (pod.Metadata.DeletionTimestamp is not null && !node.IsCut)
        {
            return copy?.Lives != true ? [($"kubelet removes {pod.Metadata.Name}", () => server.Remove(pod))]
                : time.GetUtcNow() >= (copy.KilledAt ??= Later())
                    ? [($"kubelet kills {pod.Metadata.Name}", () => world.Kill(copy))]
                    : [];
        }

        if (copy is null)
        {
            var migration = pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true ? uid : null;
            return node.IsCut
                ? []
                : [($"kubelet starts {pod.Metadata.Name}", () => world.Copies.Add(
                    new Copy(pod.Metadata.Uid!, node.Name, [])
                    {
                        Migration = migration, Unknown = KubeletReport.UnknownOf(pod),
                    }))];
        }

        return
        [
            .. Creates(pod, copy, node), .. Restores(pod, copy, node), .. Probes(pod, copy, node),
            .. Restarts(pod, copy, node), .. Reports(pod, copy, node),
        ];
    }

    private IEnumerable<(string, Action)> Creates(V1Pod pod, Copy copy, Node node)
    {
        if (copy.Containers.Count < pod.Spec.Containers.Count && copy.Containers.All(c => c.Started)
            && (IsRestored(pod) ? !node.IsFull : !node.Fences.ContainsKey(copy.PodUid)))
        {
            yield return ($"create in {pod.Metadata.Name}", () => world.Create(
                copy, pod.Spec.Containers[copy.Containers.Count].Name, IsRestored(pod)));
        }
    }

    private IEnumerable<(string, Action)> Restores(V1Pod pod, Copy copy, Node node)
    {
        var last = copy.Containers.LastOrDefault();
        if (last?.Life == Life.Waiting && time.GetUtcNow() - last.CreatedAt >= HandlersTime
            && (node.Stages.GetValueOrDefault(copy.PodUid) is not { } known
                || (known.Failed is null && world.Staged(last.Name, known) is null)))
        {
            yield return (
                $"{pod.Metadata.Name}/{last.Name} has waited in vain", () => world.WaitInVain(copy, last, says: true));
        }

        if (node.Stages.GetValueOrDefault(copy.PodUid) is not { Failed: null } stage)
        {
            yield break;
        }

        foreach (var container in copy.Containers)
        {
            if (container.Life == Life.Waiting && world.Staged(container.Name, stage) is { } value
                && !stage.Broken.Contains(container.Name))
            {
                yield return ($"restores {pod.Metadata.Name}/{container.Name}", () => world.Restore(
                    copy, container, stage, value));
            }

            if (container is { Life: Life.Restored, Started: false })
            {
                yield return ($"starts {pod.Metadata.Name}/{container.Name}", () =>
                {
                    container.Started = true;
                    container.StandsSince = time.GetUtcNow();
                    if (stage.Go)
                    {
                        world.Continue(copy, stage);
                    }
                });
            }
        }
    }

    /// <summary>A stopped process answers no probe; what kubelet does about that, the fence does not hinder
    /// (fence.md).</summary>
    private IEnumerable<(string, Action)> Probes(V1Pod pod, Copy copy, Node node)
    {
        foreach (var container in copy.Containers.Where(c => c.Life == Life.Running ? c.KilledAt is not null
            : c is { Life: Life.Stopped or Life.Restored, StandsSince: not null }))
        {
            var now = time.GetUtcNow();
            if (container.KilledAt is { } end)
            {
                if (container.Life == Life.Running || now >= end)
                {
                    yield return ($"{pod.Metadata.Name}/{container.Name} ends for its probe", () =>
                        world.EndAsked(copy, container, node.Stages.GetValueOrDefault(copy.PodUid)));
                }
            }
            else if (Freeze.AllowedBy(pod.Spec.Containers.Single(c => c.Name == container.Name)) is { } allowed
                && now - container.StandsSince >= allowed)
            {
                yield return ($"{pod.Metadata.Name}/{container.Name} answers no probe", () => world.Ask(container));
            }
        }
    }

    private IEnumerable<(string, Action)> Restarts(V1Pod pod, Copy copy, Node node)
    {
        var stage = node.Stages.GetValueOrDefault(copy.PodUid);
        foreach (var container in copy.Containers)
        {
            // The fence hook and the restore handler have their say.
            if (container is { Life: Life.Dead, End: not null }
                && !node.Fences.ContainsKey(copy.PodUid)
                && (!IsRestored(pod) || stage?.Verdict == "Run"))
            {
                yield return ($"kubelet starts {pod.Metadata.Name}/{container.Name} again", () => world.Start(
                    copy, container));
            }

            if (world.Failures > 0 && container.Life is Life.Running or Life.Stopped && random.Next(40) == 0)
            {
                yield return ($"{pod.Metadata.Name}/{container.Name} fails", () => world.Fail(copy, container, stage));
            }
        }
    }

    private IEnumerable<(string, Action)> Reports(V1Pod pod, Copy copy, Node node)
    {
        if (!node.IsCut && KubeletReport.Of(pod, copy) is { } status)
        {
            yield return ($"kubelet reports {pod.Metadata.Name}", () => server.Edit(pod, json =>
                json["status"] = JsonSerializer.SerializeToNode(status, KubernetesJson.Options)));
        }
    }

    /// <summary>What takes away by itself what nobody needs: the cluster's garbage collector,
    /// and the agents' sweepers.</summary>
    private IEnumerable<(string, Action)> Collectors()
    {
        foreach (var act in world.ReplicaSet?.Acts(world.Violations) ?? [])
        {
            yield return act;
        }

        foreach (var item in server.Orphans())
        {
            yield return ($"collector deletes {item.Metadata.Name}", () => server.Delete(item));
        }

        foreach (var node in world.Nodes.Values.Where(n => n.AgentLives && !n.IsDead))
        {
            foreach (var (holder, _) in node.Holds.Where(
                h => h.Value < time.GetUtcNow()
                    && !world.Copies.Any(c => c.Node == node.Name && world.Knows(node, c.PodUid))))
            {
                yield return ($"{node.Name}: sweeper lets addresses go", () => node.LetGo(holder));
            }
        }
    }

    private static bool IsRestored(V1Pod pod) =>
        pod.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true;

    /// <summary>When a kill that begins now ends; the clock will come to it.</summary>
    private DateTimeOffset Later()
    {
        var takes = world.LongestKill * random.NextDouble();
        if (takes > TimeSpan.Zero)
        {
            time.CreateTimer(_ => { }, null, takes, Timeout.InfiniteTimeSpan);
        }

        return time.GetUtcNow() + takes;
    }
}
