using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The first step: everything that stands in the way, at once, and nothing touched.</content>
internal sealed partial class PodMigrationReconciler
{
    private async Task<bool> ValidateAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.Validated))
        {
            return true;
        }

        scope.Begin(Steps.Validate);
        var spec = scope.Migration.Spec;
        var dry = spec.DryRun == true;
        var pod = cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, spec.PodName));
        scope.Claims = pod is null ? [] : await ClaimsAsync(pod, cancellationToken);
        var found = ObjectObstacles(scope, pod).ToList();
        if (await ServiceObstacleAsync(scope, pod, cancellationToken) is { } unserved)
        {
            found.Add(unserved);
        }

        if (found.Count == 0 && pod is not null)
        {
            found.AddRange(WhyNoneIsLeft(scope, pod));
        }

        // A slot is for who begins. Everybody else is told of any node that would do.
        var target = found.Count == 0 && !dry
            ? await TargetAsync(scope, pod!, cancellationToken)
            : pod is null ? null
            : Candidates(scope, pod) is [var best, ..] ? best : null;
        if (found.Count == 0 && target is null)
        {
            return false;
        }

        if (target is not null && _nodes.Find(target) is not null && pod?.Spec.NodeName is { } source && source != target && !AskNodes(scope, pod, target, found, dry))
        {
            scope.Phase(MigrationPhases.Pending, "asks the agents of both nodes what they can do");
            return scope.AwaitAnswer();
        }

        if (dry)
        {
            EndDryRun(scope, found, pod, target);
            return false;
        }

        if (found.Count > 0)
        {
            throw new TerminalException(found[0].Reason, MigrationValidation.Tell(found));
        }

        scope.Status = scope.Status with
        {
            PodUID = pod!.Metadata.Uid,
            SourceNode = pod.Spec.NodeName,
            TargetNode = target,
            PodAccessible = true,
            MaxFreezeSeconds = (long?)Freeze.LongestOf(pod)?.TotalSeconds,
            RestoredPodName = scope.TargetPodName(pod),
        };
        var freeze = Freeze.LongestOf(pod) is { } longest ? $"; its liveness probes let it stand still for {longest.TotalSeconds:0} s" : "";
        var passed = string.Concat(_silent.Of(scope.Uid).Select(silent => $"; {silent.Message}"));
        scope.Set(ConditionTypes.Validated, true, Reasons.Succeeded, $"pod {spec.PodName} can move from {pod.Spec.NodeName} to {target}{freeze}{passed}");
        _silent.Forget(scope.Uid);
        scope.End(Steps.Validate, "");
        scope.Phase(MigrationPhases.Pending, "the migration is possible");
        // Stored before the first side effect: the pod and the nodes are chosen once.
        return false;
    }

    /// <summary>What the objects show.</summary>
    private IEnumerable<(string Reason, string Message)> ObjectObstacles(MigrationScope scope, V1Pod? pod)
    {
        var spec = scope.Migration.Spec;
        foreach (var (_, reason, message) in MigrationObstacles.Of(spec, pod))
        {
            yield return (reason, message);
        }

        if (MigrationValidation.OfOthers(
                scope.Migration, cluster.Where(Indexes.MigrationsByPod, Indexes.Name(scope.Namespace, spec.PodName))) is { } other)
        {
            yield return other;
        }

        if (pod is null)
        {
            yield return (Reasons.PodNotFound, $"pod {spec.PodName} does not exist in namespace {scope.Namespace}");
            yield break;
        }

        if (spec.PodUID is { } pinned && pod.Metadata.Uid != pinned)
        {
            yield return (Reasons.SourcePodReplaced, $"pod {spec.PodName} has uid {pod.Metadata.Uid}, not {pinned}");
        }

        foreach (var obstacle in PodObstacles.Of(pod).Concat(scope.Claims.Select(claim => claim.Obstacle()).OfType<(string, string)>()))
        {
            yield return obstacle;
        }

        foreach (var obstacle in spec.TargetNode is { } wanted ? WhyUnusable(scope, wanted, pod) : TargetNodes.WhyNone(pod, scope.Claims, cluster))
        {
            yield return obstacle;
        }
    }

    /// <summary>The claims that a pod mounts, as the server has them now: no view of all claims of a cluster is kept for the few
    /// that migrate.</summary>
    private async Task<IReadOnlyList<MountedClaim>> ClaimsAsync(V1Pod pod, CancellationToken cancellationToken)
    {
        var claims = new List<MountedClaim>();
        foreach (var claim in MountedClaim.Of(pod))
        {
            claims.Add(await claim.ReadAsync(
                pod.Metadata.NamespaceProperty!,
                (scope, name) => cluster.ReadAsync<V1PersistentVolumeClaim>(new ObjectKey(scope, name), cancellationToken),
                name => cluster.ReadAsync<V1PersistentVolume>(new ObjectKey(null, name), cancellationToken)));
        }

        return claims;
    }

    private void EndDryRun(MigrationScope scope, List<(string Reason, string Message)> found, V1Pod? pod, string? target)
    {
        var good = found.Count == 0;
        var reason = good ? Reasons.Succeeded : found[0].Reason;
        var message = good
            ? $"pod {pod!.Metadata.Name} could move from {pod.Spec.NodeName} to {target}; it was a dry run, nothing was done"
            : MigrationValidation.Tell(found);
        scope.Set(ConditionTypes.Validated, good, reason, message);
        scope.Set(ConditionTypes.Ready, good, reason, message);
        scope.End(Steps.Validate, "");
        scope.Phase(good ? MigrationPhases.Completed : MigrationPhases.Failed, message);
        scope.Status = scope.Status with
        {
            StartTime = scope.Status.StartTime ?? scope.FirstBegun ?? Now,
            Outcome = good ? Outcomes.WouldMigrate : Outcomes.WouldFail,
            CompletionTime = Now,
        };
    }
}
