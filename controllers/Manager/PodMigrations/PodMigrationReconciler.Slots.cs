using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>Where to, and whether it may begin already.</content>
internal sealed partial class PodMigrationReconciler
{
    /// <summary>The node to go to, when the migration may begin; null while it waits, which its status then says.</summary>
    private async Task<string?> TargetAsync(MigrationScope scope, V1Pod pod, CancellationToken cancellationToken)
    {
        if (scope.Migration.Spec.TargetNode is { } wanted)
        {
            RequireUsable(wanted, pod);
        }
        else if (TargetNodes.For(pod, cluster).Count == 0)
        {
            throw new TerminalException(Reasons.NodeNotFound, "no other node is ready; name a targetNode when there is one");
        }

        var answer = await slots.AskAsync(SlotRequest.Of(scope.Migration, pod, cluster, scope.Wake), cancellationToken);
        if (answer.Target is null)
        {
            scope.Wait(answer.Message!);
        }
        else
        {
            // Also where an agent does not answer, a slot is held for no longer than timeoutSeconds.
            scope.StopWaiting();
            scope.Status = scope.Status with { StartTime = scope.Status.StartTime ?? Now };
        }

        return answer.Target;
    }

    private void RequireUsable(string target, V1Pod pod)
    {
        if (target == pod.Spec.NodeName)
        {
            throw new TerminalException(
                Reasons.NodeNotCapable, $"pod {pod.Metadata.Name} is on node {target} already; name another targetNode");
        }

        var node = cluster.Find<V1Node>(new ObjectKey(null, target))
            ?? throw new TerminalException(Reasons.NodeNotFound, $"node {target} does not exist; see kubectl get nodes");
        if (!AgentDirectory.IsReady(node) || node.Spec?.Unschedulable == true)
        {
            throw new TerminalException(Reasons.NodeNotCapable, $"node {target} is not ready or is cordoned");
        }
    }

    /// <summary>After a run whose status is stored.</summary>
    private void SettleSlot(MigrationScope scope, ObjectKey key)
    {
        if (scope.Status.CompletionTime is not null || scope.HasTurnedUntouched)
        {
            slots.Release(key);
        }
    }
}
