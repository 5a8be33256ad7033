using k8s;
using k8s.Exceptions;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Checks;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>What would become of each pod of a node, by the operator's word. Nothing is changed.</summary>
internal sealed class DrainPlan(CommandContext context, IKubernetes client, NodePods scope, PodMigrationSpec spec)
{
    /// <summary>An operator is asked quickly, and is not to be kept from its work.</summary>
    private const int AtOnce = 8;

    /// <summary>Shows it; whether every pod would leave.</summary>
    public async Task<bool> RunAsync(bool quiet, CancellationToken cancellationToken)
    {
        await client.GetAsync<V1Node>(null, scope.Node, cancellationToken);
        var pods = await scope.ReadAsync(client, cancellationToken);
        var migrations = await scope.MigrationsAsync(client, cancellationToken);
        var fates = new (Fate Fate, string Text)[pods.Count];
        // Each question is removed by who has asked it, also when one of them fails or Ctrl-C ends all.
        await Parallel.ForAsync(
            0, pods.Count,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (i, token) => fates[i] = await FateOfAsync(pods[i], migrations, token));
        if (!quiet)
        {
            Write(pods, fates);
        }

        return !Array.Exists(fates, fate => fate.Fate == Fate.Stays);
    }

    private async Task<(Fate Fate, string Text)> FateOfAsync(
        V1Pod pod, List<PodMigration> migrations, CancellationToken cancellationToken)
    {
        if (NodePods.WhyIgnored(pod) is { } ignored)
        {
            return (Fate.Ignored, $"ignored: {ignored}");
        }

        if (NodePods.UnderWay(pod, migrations) is { } under)
        {
            return (Fate.Moves, NodePods.Brings(pod, under)
                ? $"moves on when {under.Metadata.Name}, which brings it here, has ended"
                : $"moves to {under.Status?.TargetNode ?? under.Spec.TargetNode ?? "a node that is being chosen"}: "
                    + $"{under.Metadata.Name} is under way");
        }

        if (PodMove.IsGoing(pod))
        {
            return (Fate.Goes, "terminating: a drain waits for it");
        }

        try
        {
            var answer = await OperatorQuestion.AskAsync(
                context, client, pod.Metadata.NamespaceProperty!,
                spec with { PodName = pod.Metadata.Name!, PodUID = pod.Metadata.Uid }, cancellationToken);
            return answer.Status?.Outcome == Outcomes.WouldMigrate
                ? (Fate.Moves, $"moves to {answer.Status.TargetNode}")
                : (Fate.Stays, "stays: " + string.Join(
                    "; ", OperatorCheck.Of(answer).Select(finding => $"{finding.Subject}: {finding.Message}")));
        }
        catch (KubernetesException exception) when (exception.IsOfThisObject())
        {
            return (
                Fate.Stays,
                "stays: the API server refuses the question that the operator is asked about it: "
                    + $"{exception.Message.Trim()}");
        }
        catch (Exception exception) when (exception is CommandException or KubeConfigException)
        {
            // One answer that does not come takes away none of those that do.
            return (Fate.Stays, $"not known: {exception.Message.Trim()}");
        }
    }

    private void Write(List<V1Pod> pods, (Fate Fate, string Text)[] fates)
    {
        var output = context.Terminal.Out;
        foreach (var (pod, fate) in pods.Zip(fates))
        {
            output.WriteLine($"{PodMove.NameOf(pod)}: {fate.Text.ReplaceLineEndings(" ")}");
        }

        int Count(Fate of) => fates.Count(fate => fate.Fate == of);
        output.WriteLine();
        output.WriteLine(
            $"Of {scope.Node}: {Count(Fate.Moves)} would move, "
                + $"{(Count(Fate.Goes) > 0 ? $"{Count(Fate.Goes)} is terminating, " : "")}{Count(Fate.Stays)} would "
                + $"stay, {Count(Fate.Ignored)} ignored. Nothing was changed.");
        if (Count(Fate.Moves) > 1)
        {
            output.WriteLine("Each was looked at alone: what one takes of a node's room is missing to the next.");
        }
    }

    private enum Fate
    {
        Moves,
        Goes,
        Stays,
        Ignored,
    }
}
