using System.Text.Json.Nodes;
using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The last steps: the source goes, and the migration ends.</content>
internal sealed partial class PodMigrationReconciler
{
    /// <summary>In which kubelet ends a pod whose processes stand still, with much to spare.</summary>
    private static readonly TimeSpan KubeletsTime = TimeSpan.FromSeconds(30);

    /// <summary>In which an agent kills processes, or comes back from an update.</summary>
    private static readonly TimeSpan AgentsTime = TimeSpan.FromSeconds(30);

    /// <summary>As long as the source stands, a target that has ended for certain need not be the end of the pod.</summary>
    /// <exception cref="TerminalException">It has; the migration goes back.</exception>
    private async Task<bool> KeepWayBackAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (_objects.FindSource(scope) is { Metadata.DeletionTimestamp: null } && !_nodes.IsLost(scope.Status.SourceNode!) && !scope.HasBegun(Steps.EndSource)
            && await WhyEndedAsync(scope, cancellationToken) is { } why)
        {
            scope.Set(ConditionTypes.RestoreVerified, false, why.Reason, why.Message);
            scope.Status = scope.Status with { DowntimeMilliseconds = null, PodAccessible = false };
            throw new TerminalException(why.Reason, why.Message);
        }

        return true;
    }

    /// <summary>Why the restored pod is not there any more, or soon will not be; null where it is.</summary>
    private async Task<(string Reason, string Message)?> WhyEndedAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var (node, name) = (scope.Status.TargetNode!, scope.Status.RestoredPodName);
        if (_nodes.IsLost(node))
        {
            return (Reasons.NodeLost, $"node {node} was lost with the restored pod {name}");
        }

        return (_objects.FindTarget(scope) ?? await _objects.ReadTargetAsync(scope, cancellationToken)) is { Metadata.DeletionTimestamp: null }
            ? null
            : (Reasons.RestoreFailed, $"the restored pod {name} was deleted before the migration had ended");
    }

    private async Task<bool> CommitAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (_objects.FindSource(scope) is { } source)
        {
            if (!HasNoProcesses(scope, source))
            {
                return false;
            }

            // Grace 0 would remove the object before anybody has killed the processes; so kubelet has the last word.
            var lost = _nodes.IsLost(scope.Status.SourceNode!);
            // Its ReplicaSet may have been quicker, with all the grace that stopped processes make no use of.
            if (source.Metadata.DeletionTimestamp is null || source.Metadata.DeletionGracePeriodSeconds > 1 || lost)
            {
                await cluster.DeleteAsync(source, graceSeconds: lost ? 0 : 1, cancellationToken);
            }

            if (_nodes.IsSilent(scope.Status.SourceNode!))
            {
                scope.Stall = MigrationStalls.SourceSilent(scope);
            }
            else if (source is { Metadata: { DeletionTimestamp: { } since, Finalizers.Count: > 0 } } && Now - since > KubeletsTime)
            {
                scope.Stall = (
                    Reasons.SourceHeld,
                    $"the source pod {source.Metadata.Name} is ended, and its object is held by finalizers: {string.Join(", ", source.Metadata.Finalizers)}");
            }

            return false;
        }

        // Told together with the end of its fence, which is there a moment later.
        var before = scope.Status;
        scope.Set(ConditionTypes.SourceRemoved, true, Reasons.Succeeded, "the source pod is gone");
        var request = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = false };
        // A node that is gone has taken its fence along.
        if (!_nodes.IsLost(scope.Status.SourceNode!)
            && _calls.Ask(scope, "unfence", scope.Status.SourceNode!, (agent, t) => agent.UnfenceAsync(request, t)) is null)
        {
            scope.Status = before;
            return false;
        }

        scope.End(Steps.Commit, "");
        return true;
    }

    /// <summary>Has the source's processes killed before its kubelet hears of its end, and before its ReplicaSet drops it: a preStop
    /// hook would speak for the pod that goes on at the target.</summary>
    private bool HasNoProcesses(MigrationScope scope, V1Pod source)
    {
        var node = scope.Status.SourceNode!;
        if (source.Metadata.DeletionTimestamp is not null || _nodes.IsLost(node) || _nodes.IsSilent(node))
        {
            return true;
        }

        if (!scope.HasBegun(Steps.EndSource))
        {
            scope.Begin(Steps.EndSource);
            return false;
        }

        var request = new EndProcessesRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid };
        try
        {
            if (_calls.Ask(scope, "end-processes", node, (agent, t) => agent.EndProcessesAsync(request, t)) is null)
            {
                return false;
            }
        }
        catch (AgentException failed) when (failed.IsTerminal || Now - scope.BeganAt(Steps.EndSource) > AgentsTime)
        {
            // Without a fence there, by an agent that does not know how, or by none at all while a Service waits for its pod: kubelet
            // ends it as it would end any pod.
        }

        scope.End(Steps.EndSource, "");
        return true;
    }

    private async Task<bool> CompleteAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (await WhyEndedAsync(scope, cancellationToken) is { } why)
        {
            var message = $"{why.Message}, and the source is gone; {CheckpointSettlement.WhatIsKept(scope)}";
            scope.Phase(MigrationPhases.Failed, message);
            scope.Set(ConditionTypes.Ready, false, why.Reason, message);
            scope.Status = scope.Status with { Outcome = Outcomes.Lost, PodAccessible = false, CompletionTime = Now };
            return true;
        }

        var late = scope.Condition(ConditionTypes.ServiceSwitched) is { Status: "False" } not ? $"; but {not.Message}" : "";
        scope.Phase(MigrationPhases.Completed, $"pod {scope.Status.RestoredPodName} goes on at {scope.Status.TargetNode}{late}");
        scope.Set(ConditionTypes.Ready, true, Reasons.Succeeded, scope.Status.Message!);
        scope.Status = scope.Status with { Outcome = Outcomes.Restored, CompletionTime = Now };
        return true;
    }
}
