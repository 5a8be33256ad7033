using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Back;

/// <summary>Takes the target away, object and processes.</summary>
/// <remarks>Deleting what is being deleted and cancelling what is cancelled change nothing; the runtime is asked until
/// it has nothing left.</remarks>
internal sealed class TargetRemoval(
    ICluster cluster, MigrationObjects objects, MigrationNodes nodes, AgentCalls calls, TimeProvider time)
{
    /// <summary>In which kubelet ends a pod that is killed at once, with much to spare.</summary>
    private static readonly TimeSpan KubeletsTime = TimeSpan.FromSeconds(30);

    /// <returns>Whether it is gone: the object, and what the runtime had of it.</returns>
    public async Task<bool> RemoveAsync(MigrationScope scope, string why, CancellationToken cancellationToken)
    {
        var target = objects.FindTarget(scope) ?? await objects.ReadTargetAsync(scope, cancellationToken);
        if (target is not null)
        {
            scope.Status = scope.Status with { RestoredPodUID = target.Metadata.Uid };
        }

        if (await nodes.IsLostForCertainAsync(scope.Status.TargetNode!, cancellationToken))
        {
            await RemoveFromLostNodeAsync(target, cancellationToken);
            return true;
        }

        if (scope.Status.RestoredPodUID is not { } uid)
        {
            return true;
        }

        var cancellation = Cancel(scope, target, new() { PodUid = uid, Reason = why });
        // Its kubelet hears of its end when what never ran of it has been killed: no preStop hook is to speak for the
        // source.
        if (target is { Metadata.DeletionTimestamp: null } && cancellation.HasEnded)
        {
            await cluster.DeleteAsync(target, graceSeconds: 1, cancellationToken);
        }

        if (cancellation.Failure is not { } failure)
        {
            return IsGone(scope, target, cancellation);
        }

        return NeedsNoProof(scope, target) ? true : throw failure;
    }

    /// <summary>Nobody else takes the object away there.</summary>
    private async Task RemoveFromLostNodeAsync(V1Pod? target, CancellationToken cancellationToken)
    {
        if (target is not null)
        {
            await cluster.DeleteAsync(target, graceSeconds: 0, cancellationToken);
        }
    }

    private Cancellation Cancel(MigrationScope scope, V1Pod? target, CancelRestoreRequest request)
    {
        // While the object stands, a waiting create is told to give up; when it is gone, the runtime is asked for
        // proof: somebody may have deleted the object by force.
        var call = target is null ? CallNames.CancelProof : CallNames.Cancel;
        try
        {
            var answer = calls.Ask(
                scope, call, scope.Status.TargetNode!, (agent, t) => agent.CancelRestoreAsync(request, t));
            return new(call, answer, null);
        }
        catch (AgentException exception)
        {
            return new(call, null, exception);
        }
    }

    /// <summary>Whether a target is gone, by its node's answer.</summary>
    private bool IsGone(MigrationScope scope, V1Pod? target, Cancellation cancellation)
    {
        var answer = cancellation.Answer;
        if (answer is { HasRun: false } && scope.TargetMayRun)
        {
            scope.NoteNeverRan();
        }

        if (answer is { LiveContainers: > 0 } && target is null)
        {
            calls.AskLater(scope, cancellation.Call);
            return false;
        }

        if (target is not null && scope.TargetMayRun)
        {
            TellHeld(scope, target);
        }

        return answer is not null && (target is null || !scope.TargetMayRun);
    }

    /// <summary>Whether a target counts as gone though its node does not answer.</summary>
    /// <remarks>What never ran gives up by itself after a while. What may have run must have gone as an object, and its
    /// node be silent for the cluster too: kubelet had ended the pod, or somebody has said, by deleting it by
    /// force, that it does not run any more.</remarks>
    private bool NeedsNoProof(MigrationScope scope, V1Pod? target) =>
        !scope.TargetMayRun
        || (target is null
            && nodes.Find(scope.Status.TargetNode!) is { } node
            && !AgentDirectory.IsReady(node));

    private void TellHeld(MigrationScope scope, V1Pod target)
    {
        if (target.Metadata.DeletionTimestamp is { } since && time.GetUtcNow().UtcDateTime - since > KubeletsTime)
        {
            var holder = target.Metadata.Finalizers is { Count: > 0 } finalizers
                ? $"finalizers hold its object: {string.Join(", ", finalizers)}"
                : $"kubelet at node {scope.Status.TargetNode} has not ended it: see whether it runs and reaches the "
                    + "API server, and its log";
            scope.Stall = new(
                Reasons.TargetHeld,
                $"the source waits for the end of the target pod {target.Metadata.Name}, which is being deleted; "
                + holder);
        }
    }

    /// <summary>What the target's node says to its being cancelled: an answer, a failure, or nothing yet.</summary>
    private sealed record Cancellation(string Call, CancelRestoreResponse? Answer, AgentException? Failure)
    {
        public bool HasEnded => Answer is not null || Failure is not null;
    }
}
