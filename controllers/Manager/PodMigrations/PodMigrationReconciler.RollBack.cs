using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The way back: the target gone for certain, then the source goes on.</content>
internal sealed partial class PodMigrationReconciler
{

    private async Task RollBackAsync(MigrationScope scope, V1Condition turned, CancellationToken cancellationToken)
    {
        var touched = scope.Is(ConditionTypes.Validated);
        if (touched)
        {
            // A target that never ran stands still whatever it has: the source need not wait for its end.
            var gone = await RemoveTargetAsync(scope, turned.Message, cancellationToken);
            if ((scope.TargetMayRun && !gone) || !await ResumeSourceAsync(scope, cancellationToken) || !gone || !LetGo(scope))
            {
                return;
            }
        }

        var goesOn = touched && _objects.FindSource(scope) is { Metadata.DeletionTimestamp: null, Status.Phase: "Running" }
            && !_nodes.IsLost(scope.Status.SourceNode!);
        scope.Set(ConditionTypes.RolledBack, true, turned.Reason, turned.Message);
        scope.Phase(MigrationPhases.Failed, turned.Message + (goesOn || !touched ? "" : WhatIsLeft(scope)));
        scope.Status = scope.Status with
        {
            StartTime = scope.Status.StartTime ?? scope.FirstBegun ?? Now,
            Outcome = goesOn ? Outcomes.RolledBack : touched && !scope.BelongsToAnother ? Outcomes.Lost : scope.Migration.Spec.DryRun == true ? Outcomes.WouldFail : null,
            PodAccessible = touched ? goesOn : null,
            CompletionTime = Now,
        };
    }

    private string WhatIsLeft(MigrationScope scope)
    {
        var source = scope.Status.SourceNode!;
        var gone = _nodes.IsLost(source) ? $"the source is gone with node {source}" : "the source is gone too";
        return scope.Is(ConditionTypes.Checkpointed)
            ? $"; {gone}, but {CheckpointSettlement.WhatIsKept(scope)}"
            : $"; {gone}";
    }

    /// <summary>Lets the source go on, or takes its fence away where it has gone; true when that is done.</summary>
    private async Task<bool> ResumeSourceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var node = scope.Status.SourceNode!;
        if (_nodes.IsLost(node))
        {
            return true;
        }

        // A fence that is on its way would stand for ever if it came after its lifting.
        if (_calls.IsUnderWay(scope, "fence"))
        {
            return false;
        }

        if (scope.Migration.Spec.OnFailure == OnFailurePolicies.ColdStart && !scope.HasBegun(Steps.Resume))
        {
            scope.Begin(Steps.Resume);
            return false;
        }

        var source = _objects.FindSource(scope)
            ?? await cluster.ReadAsync<V1Pod>(new ObjectKey(scope.Namespace, scope.Migration.Spec.PodName), cancellationToken);
        var request = new UnfenceRequest
        {
            PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = source?.Metadata.Uid == scope.Status.PodUID,
        };
        try
        {
            if (_calls.Ask(scope, "resume", node, (agent, t) => agent.UnfenceAsync(request, t)) is null)
            {
                return false;
            }
        }
        catch (AgentException refused) when (refused.Reason == Reasons.MigrationInProgress)
        {
            // It is fenced for somebody else, and that one's to let go: this migration never stopped it.
            scope.BelongsToAnother = true;
        }

        scope.End(Steps.Resume, "");
        if (source is { Metadata.DeletionTimestamp: null } && source.Metadata.Uid == scope.Status.PodUID && Handover.TakenBack(source) is { } patch)
        {
            await cluster.PatchMetadataAsync(source, patch, cancellationToken);
        }

        return true;
    }

    /// <summary>Takes the target away; true when it is gone: the object, and what the runtime had of it.</summary>
    private async Task<bool> RemoveTargetAsync(MigrationScope scope, string why, CancellationToken cancellationToken)
    {
        var target = _objects.FindTarget(scope) ?? await _objects.ReadTargetAsync(scope, cancellationToken);
        var lost = _nodes.IsLost(scope.Status.TargetNode!);
        if (target is not null)
        {
            scope.Status = scope.Status with { RestoredPodUID = target.Metadata.Uid };
        }

        // While the object stands, a waiting create is told to give up; when it is gone, the runtime is asked for proof:
        // somebody may have deleted the object by force.
        var call = target is null ? "cancel-proof" : "cancel";
        CancelRestoreResponse? answer = null;
        AgentException? failure = null;
        if (!lost && scope.Status.RestoredPodUID is { } uid)
        {
            try
            {
                var request = new CancelRestoreRequest { PodUid = uid, Reason = why };
                answer = _calls.Ask(scope, call, scope.Status.TargetNode!, (agent, t) => agent.CancelRestoreAsync(request, t));
            }
            catch (AgentException exception)
            {
                failure = exception;
            }
        }

        // Its kubelet hears of its end when what never ran of it has been killed: no preStop hook is to speak for the source. On a
        // node that is gone nobody else takes the object away.
        if (target is not null && (lost || (target.Metadata.DeletionTimestamp is null && (answer ?? (object?)failure) is not null)))
        {
            await cluster.DeleteAsync(target, graceSeconds: lost ? 0 : 1, cancellationToken);
        }

        if (lost || scope.Status.RestoredPodUID is null)
        {
            return true;
        }

        if (failure is not null)
        {
            // Its create gives up by itself after a while. Or the node is silent, and the object went: by kubelet, when it had ended
            // the pod, or by somebody's word that it does not run any more.
            var isGone = target is null && _nodes.Find(scope.Status.TargetNode!) is { } node && !AgentDirectory.IsReady(node);
            return !scope.TargetMayRun || isGone ? true : throw failure;
        }

        if (answer is { HasRun: false } && scope.TargetMayRun)
        {
            scope.NoteNeverRan();
        }

        if (answer is { LiveContainers: > 0 } && target is null)
        {
            _calls.AskLater(scope, call);
            return false;
        }

        return answer is not null && (target is null || !scope.TargetMayRun);
    }
}
