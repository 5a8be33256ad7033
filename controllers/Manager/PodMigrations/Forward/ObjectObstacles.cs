using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>What of the objects stands in the way of a migration: the pod, its claims, its Service, the
/// node, and other migrations.</summary>
/// <remarks>Reads only.</remarks>
internal sealed class ObjectObstacles(ICluster cluster, MigrationNodes nodes)
{
    /// <summary>What the objects show.</summary>
    public IEnumerable<Obstacle> OfObjects(MigrationScope scope, V1Pod? pod)
    {
        var spec = scope.Migration.Spec;
        foreach (var obstacle in MigrationObstacles.Of(spec, pod))
        {
            yield return obstacle;
        }

        if (MigrationValidation.OfOthers(
                scope.Migration,
                cluster.ByIndex(
                    Indexes.MigrationsByPod, Indexes.NamespacedName(scope.Namespace, spec.PodName))) is { } other)
        {
            yield return other;
        }

        if (pod is null)
        {
            yield return new(Reasons.PodNotFound, $"pod {spec.PodName} does not exist in namespace {scope.Namespace}");
            yield break;
        }

        // Its target, while the source may still be let go on: moved on, it would be taken for one
        // that has failed, and both would run.
        if (pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true
            && cluster.ByIndex(Indexes.MigrationsByUid, uid)
                .FirstOrDefault(m => m.Status?.CompletionTime is null) is { } bringer)
        {
            yield return new(
                Reasons.MigrationInProgress,
                $"pod {spec.PodName} is still being brought here by PodMigration {bringer.Metadata.Name}; "
                + "wait for it or abort it");
        }

        if (spec.PodUID is { } pinned && pod.Metadata.Uid != pinned)
        {
            yield return new(Reasons.SourcePodReplaced, $"pod {spec.PodName} has uid {pod.Metadata.Uid}, not {pinned}");
        }

        var claimed = scope.Claims.Select(claim => claim.Obstacle()).OfType<Obstacle>();
        foreach (var obstacle in PodObstacles.Of(pod).Concat(claimed))
        {
            yield return obstacle;
        }

        foreach (var obstacle in spec.TargetNode is { } wanted
            ? WhyUnusable(scope, wanted, pod)
            : TargetNodes.WhyNone(pod, scope.Claims, cluster))
        {
            yield return obstacle;
        }
    }

    /// <summary>The claims that a pod mounts, as the server has them now: no view of all claims of a cluster is kept
    /// for the few that migrate.</summary>
    public async Task<IReadOnlyList<MountedClaim>> ClaimsAsync(V1Pod pod, CancellationToken cancellationToken)
    {
        var claims = new List<MountedClaim>();
        foreach (var claim in MountedClaim.Of(pod))
        {
            claims.Add(await claim.ReadAsync(
                pod.Metadata.NamespaceProperty!,
                (scope, name) => cluster.ReadAsync<V1PersistentVolumeClaim>(
                    new ObjectKey(scope, name), cancellationToken),
                name => cluster.ReadAsync<V1PersistentVolume>(new ObjectKey(null, name), cancellationToken)));
        }

        return claims;
    }

    /// <summary>Before anything else: a Service that does not lead to the pod would be waited for in vain.</summary>
    public async Task<Obstacle?> OfServiceAsync(
        MigrationScope scope, V1Pod? pod, CancellationToken cancellationToken)
    {
        if (scope.Migration.Spec.ServiceName is not { Length: > 0 } name || pod is null)
        {
            return null;
        }

        var service = await cluster.ReadAsync<V1Service>(new ObjectKey(scope.Namespace, name), cancellationToken);
        return ServiceObstacles.Of(service, name, pod) is { } why ? new(Reasons.ServiceNotSelecting, why) : null;
    }

    private IEnumerable<Obstacle> WhyUnusable(
        MigrationScope scope, string target, V1Pod pod) => nodes.Find(target) switch
    {
        _ when target == pod.Spec.NodeName =>
        [
            new(
                Reasons.NodeNotCapable,
                $"pod {pod.Metadata.Name} is on node {target} already; name another targetNode"),
        ],
        null => [new(Reasons.NodeNotFound, $"node {target} does not exist; see kubectl get nodes")],
        var node => NodeObstacles.OfReadiness(node)
            .Concat(node.Spec?.Unschedulable == true ? [Cordoned(target)] : [])
            .Concat(TargetNodes.Obstacles(pod, scope.Claims, node, cluster)),
    };

    private static Obstacle Cordoned(string target) => new(
        Reasons.NodeNotCapable, $"node {target} is cordoned; kubectl uncordon it, or name another targetNode");
}
