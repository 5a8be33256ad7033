using k8s;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Says what a migration waits for when nothing but somebody's help, or a node's return, moves it on. Pure
/// functions of the run.</summary>
internal static class MigrationStalls
{
    /// <summary>Keeps the condition Stalled true to what this run has found.</summary>
    public static void Tell(MigrationScope scope)
    {
        // What has ended waits for nobody, whatever this run met on its way.
        if (scope.Stall is { } stall && scope.Status.CompletionTime is null)
        {
            scope.Set(ConditionTypes.Stalled, true, stall.Reason, stall.Message);
        }
        else if (scope.Is(ConditionTypes.Stalled) && MergePatch.Between(scope.Migration.Status, scope.Status).Count > 0)
        {
            // Clear Stalled only when the status has changed: otherwise the next attempt may merely be in progress.
            scope.Set(ConditionTypes.Stalled, false, Reasons.Succeeded, "the migration goes on");
        }
    }

    public static Obstacle? Why(MigrationScope scope, Exception exception) => exception switch
    {
        AgentException failure => Why(scope, failure),
        KubernetesException refused when refused.IsRefusal() => new(Reasons.RequestRefused, refused.Message),
        _ => null,
    };

    private static Obstacle Why(MigrationScope scope, AgentException failure) => scope switch
    {
        _ when failure.Reason != Reasons.AgentUnavailable => new(failure.Reason, failure.Message),
        _ when scope.Is(ConditionTypes.SourceRemoved)
            || scope.HasBegun(Steps.ColdStart)
            || scope.HasBegun(Steps.EndSource) => SourceSilent(scope),
        _ when scope.TargetMayRun => TargetSilent(scope),
        _ when scope.Condition(ConditionTypes.RolledBack) is not null => SourceSilent(scope),
        _ => new(failure.Reason, failure.Message),
    };

    public static Obstacle TargetSilent(MigrationScope scope)
    {
        var (node, pod) = (scope.Status.TargetNode, scope.Status.RestoredPodName);
        return new(
            Reasons.TargetUnreachable,
            $"pod {pod} was let go at node {node}, which does not answer: it may run there, so the source stays "
            + $"stopped at {scope.Status.SourceNode}. "
            + $"When {node} answers, the migration ends by itself. Declare it dead only when it is certain not to "
            + "run any more, and the source goes on: "
            + $"kubectl -n {scope.Namespace} delete pod {pod} --force, or {DeclareDead(node)}");
    }

    public static Obstacle HoldSilent(MigrationScope scope)
    {
        var node = scope.Status.TargetNode;
        return new(
            Reasons.AgentUnavailable,
            $"node {node}, which was to take the pod's address, does not answer: the migration ends when it does and "
            + "has let the address go. "
            + $"Declare it dead only when it is certain not to run any more: {DeclareDead(node)}");
    }

    public static Obstacle FreshSilent(MigrationScope scope)
    {
        var (node, pod) = (scope.Status.TargetNode, scope.Status.RestoredPodName);
        return new(
            Reasons.AgentUnavailable,
            $"the pod is to start afresh as {pod} at node {node}, which does not answer: the migration ends when it "
            + $"does. Declare it dead only when it is certain not to run any more: {DeclareDead(node)}");
    }

    /// <summary>The commands that declare a node dead, and take that back.</summary>
    private static string DeclareDead(string? node) =>
        $"kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, which counts while the "
        + $"node is not ready, or kubectl delete node {node}, which counts after a minute. "
        + $"Take the taint back when the machine is mended: kubectl taint node {node} "
        + "node.kubernetes.io/out-of-service-";

    public static Obstacle SourceSilent(MigrationScope scope) =>
        SourceSilent(scope, "the source is fenced, does not answer: the migration ends when it does");

    public static Obstacle DumpSilent(MigrationScope scope) =>
        SourceSilent(
            scope,
            "the pod is being dumped, does not answer: the migration goes on when it does, and back at the end of "
                + "its time");

    private static Obstacle SourceSilent(MigrationScope scope, string what)
    {
        var node = scope.Status.SourceNode;
        return new(
            Reasons.SourceUnreachable,
            $"node {node}, where {what}. Declare it dead only when it is certain not to run any more: "
                + $"{DeclareDead(node)}");
    }
}
