using System.Net;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>Empties a node: cordons it, has every pod moved that can be, and names what is left.</summary>
/// <remarks>The cluster is the state: another run finds what is under way and joins it, so that one may be interrupted
/// at any point, and two may run at once.</remarks>
internal sealed class Drain(
    CommandContext context, IKubernetes client, NodePods scope, PodMigrationSpec spec, bool quiet)
{
    private readonly Dictionary<string, PodMove> _moves = [];
    private readonly HashSet<string> _awaited = [];
    private readonly Dictionary<string, string> _labels = new() { [WellKnown.DrainedNode] = scope.Node };

    /// <summary>The pods that are terminating.</summary>
    private List<V1Pod> _going = [];

    /// <summary>Runs it; whether nothing is left that would hold up kubectl's own drain.</summary>
    public async Task<bool> RunAsync(TimeSpan? limit, CancellationToken cancellationToken)
    {
        var node = await client.GetAsync<V1Node>(null, scope.Node, cancellationToken);
        await new DrainChecks(client, scope, spec).DemandAsync(node, cancellationToken);
        await CordonAsync(node, cancellationToken);
        using var deadline = new CancellationTokenSource(limit ?? Timeout.InfiniteTimeSpan, context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var goesOn = "what was begun goes on.\n"
            + "Go on with it: the same command again joins it, and begins what was not\n"
            + "Stop one:      kubectl podmigration abort NAME -n NAMESPACE\n"
            + $"Take pods:     kubectl uncordon {scope.Node}";
        List<V1Pod> left;
        try
        {
            left = await MoveAllAsync(either.Token);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(ExitCode.Interrupted, $"stopped waiting; {goesOn}");
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.TimedOut,
                $"{scope.Node} is not empty within {Amounts.Duration(limit)} (--wait-timeout){StillGoing()}; {goesOn}");
        }
        finally
        {
            if (!quiet && _moves.Count > 0)
            {
                context.Terminal.Out.WriteLine();
                PodMove.Write(context.Terminal, _moves.Values.OrderBy(
                    move => move.Name, StringComparer.Ordinal), allNamespaces: true);
            }
        }

        if (!quiet)
        {
            WriteRest(left);
        }

        // Of one that is gone, whoever has moved or deleted it, nothing has failed but its memory.
        var there = left.Select(pod => pod.Metadata.Uid).ToHashSet();
        var failed = _moves.Values.Where(move => !move.IsDone
            && (there.Contains(move.Pod.Metadata.Uid)
                || move.Migration?.Status?.Outcome is Outcomes.ColdStarted or Outcomes.Lost)).ToList();
        foreach (var move in quiet ? failed : [])
        {
            context.Terminal.Error.WriteLine($"error: pod {move.Name}: {move.Result}: {move.Message}");
        }

        return left.Count == 0 && failed.Count == 0;
    }

    private string StillGoing() => _going.Count switch
    {
        0 => "",
        1 => $": {PodMove.NameOf(_going[0])} is still terminating",
        _ => $": {string.Join(", ", _going.Select(PodMove.NameOf))} are still terminating",
    };

    private async Task CordonAsync(V1Node node, CancellationToken cancellationToken)
    {
        var before = node.Spec?.Unschedulable == true;
        if (!before)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                await client.PatchAsync<V1Node>(
                    null, scope.Node, null, PatchType.Merge, """{"spec":{"unschedulable":true}}""",
                    "kubectl-podmigration", CancellationToken.None);
            }
            catch (KubernetesException exception) when (exception.Code == HttpStatusCode.Forbidden)
            {
                throw new CommandException(
                    ExitCode.Refused,
                    $"{scope.Node} cannot be cordoned: {exception.Message.Trim()}\n"
                    + $"Have somebody do it who may patch nodes (kubectl cordon {scope.Node}), and drain it then.",
                    exception);
            }
        }

        Say($"node/{scope.Node} {(before ? "already cordoned" : "cordoned")}");
    }

    /// <summary>What is left when nothing more can be begun: a pod that was named for the node may come even now, and
    /// one that did not run may run.</summary>
    private async Task<List<V1Pod>> MoveAllAsync(CancellationToken cancellationToken)
    {
        var wait = new MovesWait(client, context.Time, context.Terminal, quiet);
        while (true)
        {
            var pods = (await scope.ReadAsync(client, cancellationToken))
                .Where(pod => NodePods.WhyIgnored(pod) is null)
                .ToList();
            _going = pods.FindAll(PodMove.IsGoing);
            if (await BeginAsync(pods, cancellationToken))
            {
                await wait.UntilAllEndAsync(_moves.Values, scope.Namespace, cancellationToken);
            }
            else if (_going.Count > 0)
            {
                await UntilOneIsGoneAsync(cancellationToken);
            }
            else
            {
                return pods;
            }
        }
    }

    /// <summary>As kubectl drain waits for what it has evicted: as long as it is
    /// there, the node is not empty.</summary>
    private async Task UntilOneIsGoneAsync(CancellationToken cancellationToken)
    {
        foreach (var pod in _going.Where(pod => _awaited.Add(pod.Metadata.Uid!)))
        {
            Say($"{PodMove.NameOf(pod)}: terminating, waited for");
        }

        var follower = new Follower(client, context.Time, quiet ? _ => { } : context.Terminal.Error.WriteLine);
        await foreach (var seen in follower.FollowAllAsync<V1Pod>(scope.Which, cancellationToken))
        {
            if (_going.Exists(
                pod => !seen.TryGetValue(pod.Metadata.Uid!, out var now) || NodePods.WhyIgnored(now) is not null))
            {
                return;
            }
        }
    }

    /// <summary>Has every pod moved that can be and is not; whether there was one.</summary>
    private async Task<bool> BeginAsync(List<V1Pod> pods, CancellationToken cancellationToken)
    {
        var migrations = await scope.MigrationsAsync(client, cancellationToken);
        // Whoever stayed may be gone, or be able to move, by now; and who has arrived can be moved on.
        foreach (var (uid, move) in _moves.Where(one => one.Value.Migration is not { } known
            || (NodePods.Brings(one.Value.Pod, known) && MigrationText.HasEnded(known))))
        {
            _moves.Remove(uid);
        }

        // All are named before the first is begun: who interrupts sees which were not.
        var open = pods.Select(pod => _moves.TryGetValue(pod.Metadata.Uid!, out var move)
            ? move
            : _moves[pod.Metadata.Uid!] = new PodMove(pod)).ToList();
        var begun = false;
        foreach (var move in open)
        {
            cancellationToken.ThrowIfCancellationRequested();
            // Also another one after ours has failed: of two that were begun at once the operator refuses one.
            if (NodePods.UnderWay(move.Pod, migrations) is { } under
                && under.Metadata.Uid != move.Migration?.Metadata.Uid)
            {
                (move.Migration, move.Obstacle, begun) = (under, null, true);
                Say($"{move.Name}: {ObjectNames.Of(under)} is under way already");
            }
            else if (move.Migration is null
                && !PodMove.IsGoing(move.Pod)
                && (move.Obstacle = NodePods.WhyStays(move.Pod, spec)) is null)
            {
                begun |= await CreateAsync(move);
            }
        }

        return begun;
    }

    private async Task<bool> CreateAsync(PodMove move)
    {
        try
        {
            move.Migration = await PodMove.CreateAsync(client, move.Pod, spec, _labels);
            Say($"{move.Name}: {ObjectNames.Of(move.Migration)} created");
            return true;
        }
        catch (KubernetesException exception) when (exception.IsOfThisObject())
        {
            move.Obstacle = $"the API server refuses its PodMigration: {exception.Message.Trim()}";
            return false;
        }
    }

    private void WriteRest(List<V1Pod> left)
    {
        var (output, of) =
            (context.Terminal.Out, scope.Flags.Length > 0 ? $" of what was asked for ({scope.Flags})" : "");
        output.WriteLine();
        if (left.Count == 0)
        {
            output.WriteLine(
                $"Nothing{of} is left on {scope.Node} that would hold up kubectl drain. Afterwards: kubectl uncordon "
                    + $"{scope.Node}");
            return;
        }

        var bare = left.Where(pod => pod.Controller() is null).Select(PodMove.NameOf).ToList();
        output.WriteLine($"Left on {scope.Node}{of}: {string.Join(", ", left.Select(PodMove.NameOf))}.");
        if (scope.Namespace is not null)
        {
            output.WriteLine(
                $"kubectl drain would evict the pods of all namespaces: run kubectl podmigration drain {scope.Node} "
                    + "without -n first.");
            return;
        }

        output.WriteLine(
            $"To evict what is left, without its memory: kubectl drain {scope.Node} --ignore-daemonsets"
            + (left.Exists(pod => pod.EmptyDirs().Count > 0) ? " --delete-emptydir-data" : "")
            + (bare.Count > 0 ? " --force" : "")
            + (scope.Selector is null ? "" : $" --pod-selector '{scope.Selector}'"));
        if (bare.Count > 0)
        {
            output.WriteLine(
                $"With --force that deletes {string.Join(", ", bare)} for good: nobody starts a pod again that has "
                    + "no controller.");
        }
    }

    private void Say(string line)
    {
        if (!quiet)
        {
            context.Terminal.Out.WriteLine(line);
        }
    }
}
