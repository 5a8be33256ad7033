using System.Text.Json.Nodes;
using k8s.Models;

namespace PodCheckpointing.Simulation;

/// <summary>A node that somebody gives up for lost, and that comes back: it was only cut off, and all that runs there
/// has run on; or it has booted; or another machine has its name, whose disk is empty. By a random stream of its
/// own. Or its taint comes too early, while it is ready: then that is no word yet.</summary>
/// <remarks>
/// After Kubernetes' own parts: the eviction by taint and the pod collector delete the pods of a node that is given up
/// (a pod that tolerates every taint is left alone), a node that is ready again has those evicted that stand there
/// still, and kubelet ends what the API server does not know. A node whose object was deleted registers when its
/// kubelet is begun again, and not before. Of the agent's state the disk keeps all (agent/README.md), an empty one
/// nothing. What the word has made of two copies is on whoever gave it (MigrationStalls.DeclareDead); the excuse ends
/// with the node's return.
/// </remarks>
internal sealed class Returns
{
    /// <summary>In steps: what a deletion that was decided before the return takes to be carried out.</summary>
    private const int Aftermath = 200;

    /// <summary>Not before all is over.</summary>
    private const int Never = 100_000;

    private readonly SimulatedServer _server;
    private readonly World _world;
    private readonly Troubles _troubles;
    private readonly List<string> _trace;
    private readonly Node? _node;
    private readonly How _how;
    private readonly Word _word;
    private readonly int _tooEarly;
    private readonly int _gone;
    private readonly int _said;
    private readonly int _back;
    private readonly int _withdrawn;

    public Returns(
        SimulatedServer server, World world, Troubles troubles, List<string> trace, int seed, bool mayBeLost)
    {
        (_server, _world, _troubles, _trace) = (server, world, troubles, trace);
        var random = new Random(unchecked((seed * 7919) + 4));
        if (!mayBeLost || random.Next(5) != 0)
        {
            return;
        }

        _node = world.Nodes[random.Next(2) == 0 ? "a" : "b"];
        _how = (How)random.Next(3);
        _word = (Word)random.Next(3);
        world.ToleratesAll = random.Next(3) == 0;
        _gone = random.Next(200);
        _said = _gone + random.Next(1, 100);
        // What is not said of the node has somebody wait for it.
        _back = random.Next(4) == 0 && _word != Word.PodsDeleted
            ? Never
            : _said + random.Next(1, random.Next(2) == 0 ? 8 : 100);
        _withdrawn = _back + random.Next(random.Next(2) == 0 ? 8 : Aftermath);
        _tooEarly = _word == Word.OutOfService && random.Next(2) == 0 ? random.Next(_gone + 1) : Never;
    }

    /// <summary>How it comes back.</summary>
    private enum How
    {
        AsItWas,
        Booted,
        Empty,
    }

    /// <summary>How somebody says that it does not.</summary>
    private enum Word
    {
        OutOfService,
        NodeDeleted,
        PodsDeleted,
    }

    public bool AreNone => _node is null;

    public void Happen(int step)
    {
        if (_node is null)
        {
            return;
        }

        if (step == _tooEarly && _node is { IsUp: true, KubeletLives: true })
        {
            _troubles.PutOutOfService(_node);
        }

        if (step == _gone && _node.IsUp)
        {
            Go();
        }

        if (step == _said && _node.IsAway)
        {
            GiveUp();
        }

        if (step == _back && _node.IsAway)
        {
            ComeBack();
        }

        if (step == _withdrawn && _node.IsGivenUp)
        {
            Withdraw();
        }

        if (step == _back + Aftermath)
        {
            TakeBack();
        }
    }

    /// <summary>Nothing goes wrong any more: what is back is so for good, and its taint is gone.</summary>
    public void End()
    {
        if (_node is { IsAway: false })
        {
            Withdraw();
            TakeBack();
        }
    }

    /// <summary>It is back when all is over; false where it is not away.</summary>
    public bool Return()
    {
        if (_node is not { IsAway: true })
        {
            return false;
        }

        ComeBack();
        Troubles.Revive(_node);
        Withdraw();
        return true;
    }

    private void Go()
    {
        _trace.Add($"node {_node!.Name} is away");
        _node.IsAway = true;
        if (_how == How.AsItWas)
        {
            _node.IsCut = true;
            _troubles.Ready(_node.Name, false);
        }
        else
        {
            _troubles.GoDown(_node);
        }
    }

    private void GiveUp()
    {
        _trace.Add($"user: node {_node!.Name} is given up ({_word})");
        _world.GiveUp(_node, runsOn: _how == How.AsItWas && _word != Word.PodsDeleted);
        switch (_word)
        {
            case Word.OutOfService:
                _troubles.PutOutOfService(_node);
                break;
            case Word.NodeDeleted:
                _troubles.DeleteNode(_node);
                break;
            default:
                var pods = _server.All<V1Pod>().Where(p => p.Spec.NodeName == _node.Name).ToList();
                _world.DeletedByUser.UnionWith(pods.Select(p => p.Metadata.Uid!));
                pods.ForEach(_server.Remove);
                _world.DisownDeleted();
                break;
        }
    }

    private void ComeBack()
    {
        _trace.Add($"node {_node!.Name} is back ({_how})");
        (_node.IsAway, _node.IsCut) = (false, false);
        if (_how == How.Empty)
        {
            _world.Replace(_node);
        }

        if (_node.IsForgotten)
        {
            (_node.IsForgotten, _node.IsGivenUp) = (false, false);
            _server.CreateOrGet(Play.NewNode(_node.Name));
            if (_how == How.AsItWas && _node.KubeletLives)
            {
                _world.EndKubelet(_node);
                _world.BeginKubelet(_node);
            }
        }

        if (_node.IsOff)
        {
            _troubles.ComeUp(_node);
        }

        _troubles.Ready(_node.Name, true);
    }

    private void Withdraw()
    {
        if (_node!.IsGivenUp)
        {
            _trace.Add($"user: node {_node.Name} is in service again");
            _node.IsGivenUp = false;
            _server.Edit(
                _server.Find<V1Node>(null, _node.Name)!, json => json["spec"] = new JsonObject());
        }
    }

    /// <summary>What has its object still is a copy like any other again, unless it went with its machine.</summary>
    private void TakeBack()
    {
        var pods = _server.All<V1Pod>().Where(p => p.Metadata.DeletionTimestamp is null)
            .Select(p => p.Metadata.Uid).ToHashSet();
        _world.Copies.FindAll(c => c is { IsDisowned: true, IsReplaced: false } && pods.Contains(c.PodUid))
            .ForEach(_world.TakeBack);
    }
}
