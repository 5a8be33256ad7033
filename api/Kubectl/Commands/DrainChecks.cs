using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Checks;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>What a drain needs, as far as it can be seen before anything is changed: a node that is cordoned and cannot
/// be emptied takes no pods, and gives none away.</summary>
internal sealed class DrainChecks(IKubernetes client, NodePods scope, PodMigrationSpec spec)
{
    /// <summary>Ends the command where something is missing, and says what.</summary>
    public async Task DemandAsync(V1Node node, CancellationToken cancellationToken)
    {
        var pods = (await scope.ReadAsync(client, cancellationToken))
            .Where(pod => NodePods.WhyIgnored(pod) is null)
            .ToList();
        var migrations = await scope.MigrationsAsync(client, cancellationToken);
        var open = pods.Where(pod => NodePods.UnderWay(pod, migrations) is null).ToList();
        var spaces = open.Where(pod => NodePods.WhyStays(pod, spec) is null)
            .Select(pod => pod.Metadata.NamespaceProperty!)
            .Distinct()
            .ToList();
        if (open.Count < pods.Count || spaces.Count > 0)
        {
            await DemandWatchAsync<PodMigration>(cancellationToken);
        }

        if (open.Exists(PodMove.IsGoing))
        {
            await DemandWatchAsync<V1Pod>(cancellationToken);
        }

        if (spaces.Count > 0)
        {
            await DemandCreateAsync(spaces, cancellationToken);
            await DemandSourceAsync(cancellationToken);
            await (string.IsNullOrEmpty(spec.TargetNode)
                ? DemandAnyTargetAsync(cancellationToken)
                : DemandTargetAsync(spec.TargetNode, cancellationToken));
        }

        if (node.Spec?.Unschedulable != true
            && !await client.MayAsync<V1Node>("patch", null, scope.Node, cancellationToken))
        {
            throw Missing(
                ExitCode.Refused,
                $"{scope.Node} cannot be cordoned: you may not patch nodes\nHave somebody do it who may (kubectl "
                    + $"cordon {scope.Node}), and drain it then.");
        }
    }

    private async Task DemandWatchAsync<T>(CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        if (!await client.MayAsync<T>("watch", scope.Namespace, name: null, cancellationToken))
        {
            throw Missing(
                ExitCode.Refused,
                $"you may not watch {Rights.NameOf<T>()} in "
                    + $"{(scope.Namespace is null ? "all namespaces" : $"namespace {scope.Namespace}")}");
        }
    }

    /// <summary>In one of them is enough: the pods of the others are named in the end.</summary>
    private async Task DemandCreateAsync(List<string> spaces, CancellationToken cancellationToken)
    {
        foreach (var space in spaces)
        {
            if (await client.MayAsync<PodMigration>("create", space, name: null, cancellationToken))
            {
                return;
            }
        }

        throw Missing(
            ExitCode.Refused,
            $"you may not create {Rights.NameOf<PodMigration>()} in namespace {string.Join(", nor in ", spaces)}");
    }

    private async Task DemandSourceAsync(CancellationToken cancellationToken)
    {
        CheckpointNode? told;
        try
        {
            told = await Reading.TryAsync(() => client.GetAsync<CheckpointNode>(null, scope.Node, cancellationToken));
        }
        catch (KubernetesException exception) when (exception.IsNotFound && !exception.IsUnknownKind())
        {
            throw Missing(
                ExitCode.Failed, $"no operator has looked at {scope.Node} yet: does it run? {Waiting.LookForOperator}");
        }

        if (WhyNot(told, isTarget: false) is { } why)
        {
            throw Missing(ExitCode.Failed, $"nothing can be moved away from {scope.Node}: {why}");
        }
    }

    private async Task DemandTargetAsync(string name, CancellationToken cancellationToken)
    {
        V1Node? node;
        try
        {
            node = await Reading.TryAsync(() => client.GetAsync<V1Node>(null, name, cancellationToken));
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            throw Missing(ExitCode.Refused, $"--to {name}: there is no such node: see kubectl get nodes");
        }

        var why = node is null ? null
            : NodeCheck.Ready("", node) is { Verdict: Verdict.No, Message: var notReady } ? notReady
            : node.Spec?.Unschedulable == true ? NodeCheck.Cordoned(node)
            : WhyNot(await Reading.TryAsync(
                () => client.FindAsync<CheckpointNode>(null, name, cancellationToken)), isTarget: true);
        if (why is not null)
        {
            throw Missing(ExitCode.Failed, $"--to {name}: {why}");
        }
    }

    private async Task DemandAnyTargetAsync(CancellationToken cancellationToken)
    {
        var nodes = await Reading.TryAsync(() => client.AllAsync<V1Node>(new ListOptions(), cancellationToken));
        var told =
            await Reading.TryAsync(() => client.AllAsync<CheckpointNode>(new ListOptions(), cancellationToken)) ?? [];
        var unfit = told.Where(one => WhyNot(one, isTarget: true) is not null)
            .Select(one => one.Metadata.Name)
            .ToHashSet();
        if (nodes?.Exists(node => node.Metadata.Name != scope.Node && node.Spec?.Unschedulable != true
            && NodeCheck.Ready("", node).Verdict == Verdict.Ok && !unfit.Contains(node.Metadata.Name)) == false)
        {
            throw Missing(
                ExitCode.Failed, "no other node takes pods: see kubectl podmigration nodes and kubectl get nodes");
        }
    }

    /// <summary>What the operator knows against a node. That an agent did not answer when it was asked last, a minute
    /// ago, decides nothing: the migrations ask it again.</summary>
    private static string? WhyNot(CheckpointNode? told, bool isTarget) =>
        told?.Status?.Conditions.Find(ConditionTypes.Ready)?.Status == "False"
            && NodeCheck.Told(told, isTarget) is { Verdict: Verdict.No, Message: var message }
            ? $"{message} (kubectl podmigration nodes {told.Metadata.Name})"
            : null;

    private static CommandException Missing(int exitCode, string what) =>
        new(exitCode, what + "\nNothing was changed.");
}
