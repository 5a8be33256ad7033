using k8s.Models;

namespace PodCheckpointing.Simulation;

/// <content>What kubelets, and the restore handlers that they wait for, do to containers.</content>
internal sealed partial class World
{
    /// <summary>A kubelet ends a pod.</summary>
    public void Kill(Copy copy)
    {
        copy.IsTaken |= DeletedByUser.Contains(copy.PodUid) && copy.HasRun;
        foreach (var container in copy.Containers)
        {
            (container.Life, container.End) = (Life.Dead, null);
        }
    }

    /// <summary>A container is created: it begins, or waits for its checkpoint.</summary>
    public void Create(Copy copy, string name, bool restores)
    {
        var stage = Nodes[copy.Node].Stages.GetValueOrDefault(copy.PodUid);
        stage?.Late.Remove(name);
        var (creates, at) = stage?.InVain.GetValueOrDefault(name) ?? default;
        var container = new Processes(name) { CreatedAt = time.GetUtcNow(), VainCreates = creates, VainUntil = at };
        copy.Containers.Add(container);
        copy.Unknown.Remove(name);
        if (!restores)
        {
            Start(copy, container);
            container.Restarts = 0;
        }
    }

    /// <summary>A create that waits for its checkpoint comes to nothing: kubelet creates it again, as a
    /// restart.</summary>
    /// <param name="copy">The pod.</param>
    /// <param name="container">The container.</param>
    /// <param name="says">Whether the handler has time for a word: not where it is killed.</param>
    public void WaitInVain(Copy copy, Processes container, bool says)
    {
        var node = Nodes[copy.Node];
        var stage = node.StageOf(copy.PodUid);
        copy.Containers.Remove(container);
        stage.InVain[container.Name] = (container.VainCreates + 1, NowAt(node));
        if (says)
        {
            stage.Late.Add(container.Name);
        }
    }

    /// <summary>What a handler finds of a container's checkpoint: what was staged, or is staged ahead, and
    /// written.</summary>
    public long? Staged(string container, Stage stage) =>
        stage.Values.TryGetValue(container, out var value) ? value
        : stage.Ahead.TryGetValue(container, out var whole)
            ? Store.GetValueOrDefault(whole)?.GetValueOrDefault(container)?.Value
        : null;

    /// <summary>As any container is started: it counts from the beginning.</summary>
    public void Start(Copy copy, Processes container)
    {
        if (container.IsEnded)
        {
            Violations.Add($"{container.Name} on {copy.Node} was ended for a target that has it all, and begins again");
        }

        (container.Life, container.Counter, container.Started) = (Life.Running, 0, true);
        container.Restarts++;
        _said[NameOf(copy, container)] = 0;
    }

    /// <summary>A container fails by itself.</summary>
    public void Fail(Copy copy, Processes container, Stage? stage)
    {
        Failures--;
        Died(Nodes[copy.Node], copy, container);
        container.Life = Life.Dead;
        container.End = new V1ContainerStateTerminated
        {
            ExitCode = 1, FinishedAt = NowAt(Nodes[copy.Node]).UtcDateTime,
        };
        copy.HasFailed |= stage is not null && NowAt(Nodes[copy.Node]) - stage.RunAt < Trial;
    }

    /// <summary>A kubelet ends, and its calls to the runtime with it: a create that waits is killed without a word, and
    /// what it has restored stands there stopped (containerd.md, trap 2). What runs goes on, and so does a
    /// dump.</summary>
    public void EndKubelet(Node node)
    {
        node.KubeletLives = false;
        foreach (var copy in Copies.Where(c => c.Node == node.Name))
        {
            copy.Containers.Where(c => c.Life == Life.Waiting).ToList().ForEach(c => WaitInVain(copy, c, says: false));
        }
    }

    /// <summary>It begins again, and creates once more what it has not started. The handler refuses a second one of
    /// what was restored.</summary>
    public void BeginKubelet(Node node)
    {
        node.KubeletLives = true;
        foreach (var copy in Copies.Where(c => c.Node == node.Name && node.Stages.ContainsKey(c.PodUid)))
        {
            var restored = copy.Containers.Where(c => c is { Life: Life.Restored, Started: false });
            node.Stages[copy.PodUid].Broken.UnionWith(restored.Select(c => c.Name));
        }
    }

    /// <summary>A container that answers no probe is asked to end, and killed when its grace is over.</summary>
    public void Ask(Processes container) => container.KilledAt = time.GetUtcNow() + Grace;

    /// <summary>A container ends for it: by the signal that waited for it, or killed as it stands.</summary>
    public void EndAsked(Copy copy, Processes container, Stage? stage)
    {
        if (container.Life == Life.Restored)
        {
            // It begins never again: the handler refuses that.
            (container.Life, container.End, container.KilledAt) = (Life.Dead, null, null);
            stage!.Broken.Add(container.Name);
            return;
        }

        copy.HasFailed |= stage is not null && NowAt(Nodes[copy.Node]) - stage.RunAt < Trial;
        End(Nodes[copy.Node], container);
    }
}
