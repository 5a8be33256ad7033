using k8s.Models;

namespace PodCheckpointing.Simulation;

/// <content>What a word on a node, and its return, do to what ran there.</content>
internal sealed partial class World
{
    /// <summary>A node is given up: what its pods had done is nobody's loss any more.</summary>
    /// <param name="node">The node.</param>
    /// <param name="runsOn">Whether it is only cut off.</param>
    public void GiveUp(Node node, bool runsOn)
    {
        node.WasGivenUp = true;
        foreach (var copy in Copies.Where(c => c.Node == node.Name))
        {
            copy.IsTaken |= copy.HasRun;
            if (runsOn)
            {
                Disown(copy);
            }
        }
    }

    /// <summary>Disowns targets that somebody has deleted by force and whose node is silent: that is his word that they
    /// do not run, as he is told (MigrationStalls.TargetSilent). A source's end is its node's alone to tell.</summary>
    public void DisownDeleted()
    {
        var pods = server.All<V1Pod>().Select(p => p.Metadata.Uid).ToHashSet();
        Copies.FindAll(c => c.Migration is not null && DeletedByUser.Contains(c.PodUid) && !pods.Contains(c.PodUid)
            && Nodes[c.Node] is { IsUp: false } or { KubeletLives: false }).ForEach(Disown);
    }

    /// <summary>A disowned copy is one like any other again.</summary>
    public void TakeBack(Copy copy)
    {
        copy.IsDisowned = false;
        copy.Containers.ForEach(
            c => _said[NameOf(copy, c)] = Math.Max(_said.GetValueOrDefault(NameOf(copy, c)), c.Counter));
    }

    /// <summary>Another machine has the node's name: nothing of the first one is left, its disk included.</summary>
    public void Replace(Node node)
    {
        Copies.Where(c => c.Node == node.Name).ToList().ForEach(c => c.IsReplaced = true);
        node.Fences.Clear();
        node.Lifted.Clear();
        node.Continued.Clear();
        node.Holds.Clear();
        node.HoldsOver.Clear();
        node.Dumps.Clear();
        node.Stages.Clear();
    }

    /// <summary>From here on it counts for itself.</summary>
    private void Disown(Copy copy)
    {
        copy.IsTaken |= copy.HasRun;
        copy.IsDisowned = true;
        copy.Containers.ForEach(c => _said[NameOf(copy, c)] = c.Counter);
    }
}
