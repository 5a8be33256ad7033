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
        var request = SlotRequest.Of(scope.Migration, pod, cluster, scope.Wake) with { Targets = () => Candidates(scope, pod) };
        var answer = await slots.AskAsync(request, cancellationToken);
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

    private IEnumerable<(string Reason, string Message)> WhyUnusable(MigrationScope scope, string target, V1Pod pod) => _nodes.Find(target) switch
    {
        _ when target == pod.Spec.NodeName =>
            [(Reasons.NodeNotCapable, $"pod {pod.Metadata.Name} is on node {target} already; name another targetNode")],
        null => [(Reasons.NodeNotFound, $"node {target} does not exist; see kubectl get nodes")],
        var node => (TargetNodes.IsOpen(node) ? [] : new[] { (Reasons.NodeNotCapable, $"node {target} is not ready or is cordoned") })
            .Concat(TargetNodes.Obstacles(pod, scope.Claims, node, cluster)),
    };

    /// <summary>After a run whose status is stored.</summary>
    private void SettleSlot(MigrationScope scope, ObjectKey key)
    {
        // What is left for inspection does nothing, perhaps for days.
        if (scope.Status.CompletionTime is not null || scope.HasTurnedUntouched || scope.Status.Outcome == Outcomes.Left)
        {
            slots.Release(key);
        }
    }
}
