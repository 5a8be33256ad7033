using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Waits until the Service leads to the target and no longer to the source; or
/// it does not, which is told.</summary>
/// <remarks>Changes nothing: the endpoints are the cluster's own.</remarks>
internal sealed class SwitchServiceStep(ICluster cluster, TimeProvider time) : IMigrationStep
{
    /// <summary>How long endpoints are waited for: the pod has moved, and more than wait cannot be done.</summary>
    private static readonly TimeSpan EndpointsLimit = TimeSpan.FromSeconds(60);

    public Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Migration.Spec.ServiceName is not { Length: > 0 } name
            || scope.Condition(ConditionTypes.ServiceSwitched) is not null)
        {
            return Task.FromResult(true);
        }

        scope.Begin(Steps.Service);
        var endpoints = cluster.ByIndex(Indexes.EndpointSlicesByService, Indexes.NamespacedName(scope.Namespace, name))
            .SelectMany(s => s.Endpoints).ToList();
        var why = ServiceSwitch.Missing(endpoints, name, scope.Status);
        if (why is null)
        {
            scope.Set(
                ConditionTypes.ServiceSwitched,
                true,
                Reasons.Succeeded,
                $"Service {name} leads to pod {scope.Status.RestoredPodName} and no longer to the source");
        }
        else if (time.GetUtcNow().UtcDateTime >= scope.Condition(ConditionTypes.SourceRemoved)!.LastTransitionTime
            + EndpointsLimit)
        {
            scope.Set(
                ConditionTypes.ServiceSwitched,
                false,
                Reasons.EndpointsNotSwitched,
                $"{why}, for {EndpointsLimit.TotalSeconds:0} s");
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
