using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>What has become of the pod that was restored. Reads only.</summary>
internal sealed class RestoredPod(MigrationObjects objects, MigrationNodes nodes)
{
    /// <summary>Why the restored pod is not there any more, or soon will not be; null where it is.</summary>
    public async Task<Obstacle?> WhyGoneAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var (node, name) = (scope.Status.TargetNode!, scope.Status.RestoredPodName);
        if (await nodes.IsLostForCertainAsync(node, cancellationToken))
        {
            return new(Reasons.NodeLost, $"node {node} was lost with the restored pod {name}");
        }

        return (objects.FindTarget(scope)
            ?? await objects.ReadTargetAsync(scope, cancellationToken)) is { Metadata.DeletionTimestamp: null }
            ? null
            : new(Reasons.RestoreFailed, $"the restored pod {name} was deleted before the migration had ended");
    }
}
