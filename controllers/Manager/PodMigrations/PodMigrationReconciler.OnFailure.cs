using System.Text.Json;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>What a failure leads to where the user has asked for something else than the way back.</content>
internal sealed partial class PodMigrationReconciler
{
    /// <summary>The longest that status.coldStartPod may be.</summary>
    private const int LongestPod = 65_536;

    /// <returns>Whether something else than the rollback is done.</returns>
    private async Task<bool> FallBackAsync(MigrationScope scope, V1Condition turned, CancellationToken cancellationToken)
    {
        if (scope.HasBegun(Steps.ColdStart))
        {
            await ColdStartAsync(scope, turned, cancellationToken);
            return true;
        }

        if (turned.Reason == Reasons.Aborted || MigrationLimits.IsToStop(scope) || !scope.Is(ConditionTypes.Validated))
        {
            return false;
        }

        switch (scope.Migration.Spec.OnFailure)
        {
            case OnFailurePolicies.Leave:
                Leave(scope, turned);
                return true;
            // A source that was never stopped has lost nothing, and a target that cannot have it gets no second chance.
            // And one that goes on already has work that nobody may take away: a step, for what is asked of nodes changes.
            case OnFailurePolicies.ColdStart when scope.Is(ConditionTypes.SourceFenced) && !scope.HasBegun(Steps.Resume)
                && !_nodes.IsLost(scope.Status.TargetNode!) && !_nodes.IsSilent(scope.Status.TargetNode!)
                && _objects.FindSource(scope) is { Metadata.DeletionTimestamp: null } source:
                return await BeginColdStartAsync(scope, turned, source, cancellationToken);
            default:
                return false;
        }
    }

    private static void Leave(MigrationScope scope, V1Condition turned)
    {
        var source = scope.Is(ConditionTypes.SourceFenced)
            ? $"the source is fenced at {scope.Status.SourceNode}"
            : $"the source runs at {scope.Status.SourceNode}";
        scope.Phase(
            MigrationPhases.Failed,
            $"{turned.Message}; left as it stands: {source}, the target is pod {scope.Status.RestoredPodName}. "
            + "Set spec.abort, or delete this PodMigration, and it is rolled back");
        scope.Status = scope.Status with
        {
            Outcome = Outcomes.Left,
            PodAccessible = scope.TargetMayRun ? null : !scope.Is(ConditionTypes.SourceFenced),
        };
    }

    private async Task<bool> BeginColdStartAsync(
        MigrationScope scope, V1Condition turned, V1Pod source, CancellationToken cancellationToken)
    {
        var fresh = TargetPod.Afresh(source, scope);
        var text = JsonSerializer.Serialize(fresh, KubernetesJson.Options);
        if (text.Length > LongestPod)
        {
            return false;
        }

        // A fresh pod may have the address at once.
        if (await RemoveTargetAsync(scope, turned.Message, cancellationToken) && LetGo(scope))
        {
            // Stored before the source goes, which is the last to know what the pod was.
            scope.Status = scope.Status with
            {
                ColdStartPod = text, RestoredPodName = fresh.Metadata.Name, RestoredPodUID = null, PodAccessible = false,
            };
            scope.Begin(Steps.ColdStart);
            scope.Phase(MigrationPhases.Finalizing, $"{turned.Message}; the source is being removed, to start the pod afresh at {scope.Status.TargetNode}");
        }

        return true;
    }

    private async Task ColdStartAsync(MigrationScope scope, V1Condition turned, CancellationToken cancellationToken)
    {
        if (!scope.Is(ConditionTypes.SourceRemoved))
        {
            if (await EndSourceAsync(scope, cancellationToken))
            {
                scope.Set(ConditionTypes.SourceRemoved, true, Reasons.Succeeded, "the source pod is gone");
            }

            return;
        }

        var key = new ObjectKey(scope.Namespace, scope.Status.RestoredPodName!);
        var pod = cluster.Find<V1Pod>(key) ?? (scope.Status.RestoredPodUID is not null
            ? await cluster.ReadAsync<V1Pod>(key, cancellationToken)
            : await cluster.CreateOrGetAsync(
                JsonSerializer.Deserialize<V1Pod>(scope.Status.ColdStartPod!, KubernetesJson.Options)!, cancellationToken));
        if (pod is not null && !MigrationObjects.IsTargetOf(pod, scope))
        {
            scope.Stall = (Reasons.BindingMismatch, $"a pod named {pod.Metadata.Name} exists and is not this migration's: delete it");
            return;
        }

        var runs = pod?.LivingStatuses().Any() == true && pod.LivingStatuses().All(s => s.State?.Running is not null);
        var stuck = pod is null ? "it is gone again" : MigrationValidation.OfReceiver(pod)?.Message;
        scope.Status = scope.Status with { RestoredPodUID = pod?.Metadata.Uid ?? scope.Status.RestoredPodUID };
        if (!runs && stuck is null)
        {
            if (_nodes.IsLost(scope.Status.TargetNode!) || _nodes.IsSilent(scope.Status.TargetNode!))
            {
                scope.Stall = MigrationStalls.FreshSilent(scope);
            }

            return;
        }

        var message = $"{turned.Message}; pod {key.Name} was started afresh at {scope.Status.TargetNode}, its memory is lost"
            + (runs ? "" : $"; {stuck}");
        scope.End(Steps.ColdStart, "");
        scope.Phase(MigrationPhases.Completed, message);
        scope.Set(ConditionTypes.Ready, false, turned.Reason!, message);
        scope.Status = scope.Status with { Outcome = Outcomes.ColdStarted, PodAccessible = runs, CompletionTime = Now };
    }

    /// <summary>Ends the source as any pod is ended, and has it proven; true when it is gone.</summary>
    private async Task<bool> EndSourceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var name = scope.Status.SourceNode!;
        var lost = _nodes.IsLost(name);
        if (_objects.FindSource(scope) is { } source && (lost || source.Metadata.DeletionTimestamp is null))
        {
            await cluster.DeleteAsync(source, graceSeconds: lost ? 0 : null, cancellationToken);
            return false;
        }

        if (lost)
        {
            return true;
        }

        // It is terminating, so nothing starts its containers again: it may go on as far as its own end.
        var standing = _objects.FindSource(scope) is not null;
        var lift = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = standing };
        if (_calls.Ask(scope, "end", name, (agent, t) => agent.UnfenceAsync(lift, t)) is null || standing)
        {
            return false;
        }

        // The object may have been deleted by force: the runtime knows.
        var proof = new CancelRestoreRequest { PodUid = scope.Status.PodUID, Reason = "the pod is started afresh at another node" };
        if (_calls.Ask(scope, "end-proof", name, (agent, t) => agent.CancelRestoreAsync(proof, t)) is not { } answer)
        {
            return false;
        }

        if (answer.LiveContainers > 0)
        {
            _calls.AskLater(scope, "end-proof");
        }

        return answer.LiveContainers == 0;
    }
}
