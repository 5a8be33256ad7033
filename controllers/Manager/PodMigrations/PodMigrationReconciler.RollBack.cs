using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The way back: the target gone for certain, then the source goes on.</content>
internal sealed partial class PodMigrationReconciler
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(300);

    private async Task RollBackAsync(MigrationScope scope, V1Condition turned, CancellationToken cancellationToken)
    {
        var touched = scope.Is(ConditionTypes.Validated);
        if (touched)
        {
            // A target that was never let go stands still whatever it has: the source need not wait for its end.
            var mayRun = scope.HasBegun(Steps.Restore);
            var gone = await RemoveTargetAsync(scope, mayRun, turned.Message, cancellationToken);
            if (mayRun && !gone)
            {
                return;
            }

            var request = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = true };
            if (Ask(scope, "resume", scope.Status.SourceNode!, (agent, t) => agent.UnfenceAsync(request, t)) is null || !gone)
            {
                return;
            }
        }

        var source = touched ? FindSource(scope) : null;
        scope.Set(ConditionTypes.RolledBack, true, turned.Reason, turned.Message);
        scope.Phase(MigrationPhases.Failed, turned.Message);
        scope.Status = scope.Status with
        {
            StartTime = scope.Status.StartTime ?? Now,
            Outcome = source is not null ? Outcomes.RolledBack : null,
            PodAccessible = touched ? source is not null : null,
            CompletionTime = Now,
        };
    }

    /// <summary>Takes the target away; true when it is gone: the object, and what the runtime had of it.</summary>
    private async Task<bool> RemoveTargetAsync(
        MigrationScope scope, bool mayRun, string why, CancellationToken cancellationToken)
    {
        var target = FindTarget(scope) ?? await ReadTargetAsync(scope, cancellationToken);
        if (target is not null)
        {
            scope.Status = scope.Status with { RestoredPodUID = target.Metadata.Uid };
            if (target.Metadata.DeletionTimestamp is null)
            {
                await cluster.DeleteAsync(target, graceSeconds: 1, cancellationToken);
            }
        }

        if (scope.Status.RestoredPodUID is not { } uid)
        {
            return true;
        }

        // While the object stands, a waiting create is told to give up; when it is gone, the runtime is asked for proof:
        // somebody may have deleted the object by force.
        var request = new CancelRestoreRequest { PodUid = uid, Reason = why };
        var call = target is null ? "cancel-proof" : "cancel";
        CancelRestoreResponse? answer;
        try
        {
            answer = Ask(scope, call, scope.Status.TargetNode!, (agent, t) => agent.CancelRestoreAsync(request, t));
        }
        catch (AgentException) when (!mayRun)
        {
            // Its create gives up by itself after a while.
            return true;
        }

        if (answer is { LiveContainers: > 0 } && target is null)
        {
            calls.Forget($"pmig/{scope.Uid}/{call}");
            queue.AddAfter(new ObjectKey(scope.Namespace, scope.Migration.Metadata.Name!), Again);
            return false;
        }

        return answer is not null && (target is null || !mayRun);
    }

    /// <summary>The target as the API server has it: it may have been created just before the failure.</summary>
    private async Task<V1Pod?> ReadTargetAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var name = scope.Status.RestoredPodName ?? (FindSource(scope) is { } source ? scope.TargetPodName(source) : null);
        return name is not null
            && await cluster.ReadAsync<V1Pod>(new ObjectKey(scope.Namespace, name), cancellationToken) is { } pod
            && IsTargetOf(pod, scope)
                ? pod
                : null;
    }
}
