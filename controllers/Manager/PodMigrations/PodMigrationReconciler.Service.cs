using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>What others see of the pod: its ReplicaSet and its Service.</content>
internal sealed partial class PodMigrationReconciler
{
    /// <summary>How long a restored pod may take to be ready before it takes over all the same.</summary>
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromMinutes(5);

    /// <summary>From when on that is told as something to look at.</summary>
    private static readonly TimeSpan ReadySoon = TimeSpan.FromSeconds(30);

    /// <summary>How long endpoints are waited for: the pod has moved, and more than wait cannot be done.</summary>
    private static readonly TimeSpan EndpointsLimit = TimeSpan.FromSeconds(60);

    /// <summary>Before anything else: a Service that does not lead to the pod would be waited for in vain.</summary>
    private async Task<(string Reason, string Message)?> ServiceObstacleAsync(
        MigrationScope scope, V1Pod? pod, CancellationToken cancellationToken)
    {
        if (scope.Migration.Spec.ServiceName is not { Length: > 0 } name || pod is null)
        {
            return null;
        }

        var service = await cluster.ReadAsync<V1Service>(new ObjectKey(scope.Namespace, name), cancellationToken);
        return ServiceObstacles.Of(service, name, pod) is { } why ? (Reasons.ServiceNotSelecting, why) : null;
    }

    /// <summary>The target takes the source's place in the ReplicaSet, which gives the source up: see
    /// <see cref="Handover"/> for the order.</summary>
    private async Task<bool> HandOverAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (_objects.FindTarget(scope) is not { } target || !Handover.IsDue(target))
        {
            return true;
        }

        var source = _objects.FindSource(scope);
        if (source is { Metadata.DeletionTimestamp: null })
        {
            if (!Handover.IsOffered(source))
            {
                await cluster.PatchMetadataAsync(source, Handover.Offered(source), cancellationToken);
                return false;
            }

            if (!target.IsReady())
            {
                // Counted together with the source, it would be the one to go. After a while the source goes first, and the
                // ReplicaSet may start another pod meanwhile.
                var since = Now - scope.Condition(ConditionTypes.RestoreVerified)!.LastTransitionTime;
                scope.Phase(MigrationPhases.Finalizing, $"pod {target.Metadata.Name} runs; it takes the source's place in its ReplicaSet when it is ready");
                scope.Stall = since > ReadySoon ? (Reasons.TargetNotReady, $"pod {target.Metadata.Name} is not ready, so its ReplicaSet would drop it") : null;
                return since > ReadyLimit;
            }

            if (!HasNoProcesses(scope, source))
            {
                return false;
            }
        }

        await cluster.PatchMetadataAsync(target, Handover.PatchFor(target, source), cancellationToken);
        return false;
    }

    /// <summary>The Service leads to the target and no longer to the source; or it does not, which is told.</summary>
    private Task<bool> SwitchServiceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Migration.Spec.ServiceName is not { Length: > 0 } name || scope.Condition(ConditionTypes.ServiceSwitched) is not null)
        {
            return Task.FromResult(true);
        }

        scope.Begin(Steps.Service);
        var endpoints = cluster.Where(Indexes.SlicesByService, Indexes.Name(scope.Namespace, name))
            .SelectMany(s => s.Endpoints).ToList();
        var why = ServiceSwitch.Missing(endpoints, name, scope.Status);
        if (why is null)
        {
            scope.Set(ConditionTypes.ServiceSwitched, true, Reasons.Succeeded, $"Service {name} leads to pod {scope.Status.RestoredPodName} and no longer to the source");
        }
        else if (Now >= scope.Condition(ConditionTypes.SourceRemoved)!.LastTransitionTime + EndpointsLimit)
        {
            scope.Set(ConditionTypes.ServiceSwitched, false, Reasons.EndpointsNotSwitched, $"{why}, for {EndpointsLimit.TotalSeconds:0} s");
        }
        else
        {
            scope.Phase(MigrationPhases.Finalizing, why);
            return Task.FromResult(false);
        }

        scope.End(Steps.Service, scope.Condition(ConditionTypes.ServiceSwitched)!.Message);
        return Task.FromResult(true);
    }
}
