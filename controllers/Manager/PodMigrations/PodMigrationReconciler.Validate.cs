using k8s.Models;
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
        var found = ObjectObstacles(scope, pod).ToList();
        if (await ServiceObstacleAsync(scope, pod, cancellationToken) is { } unserved)
        {
            found.Add(unserved);
        }

        // A slot is for who begins. Everybody else is told of any node that would do.
        var target = found.Count == 0 && !dry
            ? await TargetAsync(scope, pod!, cancellationToken)
            : pod is null ? null
            : spec.TargetNode ?? (TargetNodes.For(pod, cluster) is [var best, ..] ? best : null);
        if (found.Count == 0 && target is null)
        {
            return false;
        }

        if (target is not null && pod?.Spec.NodeName is { } source && source != target && !AskNodes(scope, source, target, found, dry))
        {
            scope.Phase(MigrationPhases.Pending, "asks the agents of both nodes what they can do");
            return false;
        }

        if (dry)
        {
            EndDryRun(scope, found, pod, target);
            return false;
        }

        if (found.Count > 0)
        {
            throw new TerminalException(found[0].Reason, string.Join("; ", found.Select(f => f.Message)));
        }

        scope.Status = scope.Status with
        {
            ObservedGeneration = scope.Migration.Metadata.Generation,
            PodUID = pod!.Metadata.Uid,
            SourceNode = pod.Spec.NodeName,
            TargetNode = target,
            PodAccessible = true,
            RestoredPodName = scope.TargetPodName(pod),
        };
        scope.Set(ConditionTypes.Validated, true, Reasons.Succeeded, $"pod {spec.PodName} can move from {pod.Spec.NodeName} to {target}");
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

        foreach (var obstacle in PodObstacles.Of(pod))
        {
            yield return obstacle;
        }

        if (spec.TargetNode is { } wanted)
        {
            if (WhyUnusable(wanted, pod) is { } unusable)
            {
                yield return unusable;
            }
        }
        else if (TargetNodes.For(pod, cluster).Count == 0)
        {
            yield return (Reasons.NodeNotFound, "no other node is ready; name a targetNode when there is one");
        }
    }

    /// <summary>Adds what the nodes lack; false while their agents are being asked.</summary>
    private bool AskNodes(MigrationScope scope, string source, string target, List<(string Reason, string Message)> found, bool dry)
    {
        try
        {
            var there = Ask(scope, "capabilities-target", target, (agent, t) => agent.GetCapabilitiesAsync(t));
            var here = Ask(scope, "capabilities-source", source, (agent, t) => agent.GetCapabilitiesAsync(t));
            if (there is null || here is null)
            {
                return false;
            }

            if (MigrationValidation.OfNodes(here, there) is { } lacking)
            {
                found.Add(lacking);
            }
        }
        catch (AgentException exception) when (dry || found.Count > 0)
        {
            // An agent that may come back is waited for only where nothing else stands in the way.
            found.Add((exception.Reason, exception.Message));
        }

        return true;
    }

    private void EndDryRun(MigrationScope scope, List<(string Reason, string Message)> found, V1Pod? pod, string? target)
    {
        var good = found.Count == 0;
        var reason = good ? Reasons.Succeeded : found[0].Reason;
        var message = good
            ? $"pod {pod!.Metadata.Name} could move from {pod.Spec.NodeName} to {target}; it was a dry run, nothing was done"
            : string.Join("; ", found.Select(f => f.Message));
        scope.Set(ConditionTypes.Validated, good, reason, message);
        scope.Set(ConditionTypes.Ready, good, reason, message);
        scope.End(Steps.Validate, "");
        scope.Phase(good ? MigrationPhases.Completed : MigrationPhases.Failed, message);
        scope.Status = scope.Status with
        {
            ObservedGeneration = scope.Migration.Metadata.Generation,
            StartTime = scope.Status.StartTime ?? Now,
            Outcome = good ? Outcomes.WouldMigrate : Outcomes.WouldFail,
            CompletionTime = Now,
        };
    }
}
