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

        if (target is not null && FindNode(target) is not null && pod?.Spec.NodeName is { } source && source != target && !AskNodes(scope, pod, target, found, dry))
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
            ObservedGeneration = scope.Migration.Metadata.Generation,
            PodUID = pod!.Metadata.Uid,
            SourceNode = pod.Spec.NodeName,
            TargetNode = target,
            PodAccessible = true,
            RestoredPodName = scope.TargetPodName(pod),
        };
        var freeze = Freeze.LongestOf(pod) is { } longest ? $"; its liveness probes let it stand still for {longest.TotalSeconds:0} s" : "";
        scope.Set(ConditionTypes.Validated, true, Reasons.Succeeded, $"pod {spec.PodName} can move from {pod.Spec.NodeName} to {target}{freeze}");
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

        foreach (var obstacle in spec.TargetNode is { } wanted ? WhyUnusable(wanted, pod) : TargetNodes.WhyNone(pod, cluster))
        {
            yield return obstacle;
        }
    }

    /// <summary>The nodes that may be the target, the best one first: but for those of which it is known that they cannot,
    /// unless the user has named it.</summary>
    private IReadOnlyList<string> Candidates(MigrationScope scope, V1Pod pod) => scope.Migration.Spec.TargetNode is { } wanted
        ? [wanted]
        : [.. TargetNodes.For(pod, cluster).Where(node => KnownObstacles(scope, pod, node).Count == 0)];

    /// <summary>What the agents' answers so far show against a node; the answers are kept for as long as the migration is under
    /// way.</summary>
    private List<(string Reason, string Message)> KnownObstacles(MigrationScope scope, V1Pod pod, string target) =>
        calls.Known<GetCapabilitiesResponse>(KeyOf(scope, SourceCall(pod.Spec.NodeName!))) is { } here
        && calls.Known<GetCapabilitiesResponse>(KeyOf(scope, TargetCall(target))) is { } there
            ? [.. NodeObstacles.OfTarget(pod, here, there)]
            : [];

    /// <summary>What stands against each node that could be the target, when all of them have been asked; nothing as long as one
    /// is left.</summary>
    private List<(string Reason, string Message)> WhyNoneIsLeft(MigrationScope scope, V1Pod pod)
    {
        var known = scope.Migration.Spec.TargetNode is null
            ? TargetNodes.For(pod, cluster).Select(node => KnownObstacles(scope, pod, node)).ToList()
            : [];
        return known.TrueForAll(k => k.Count > 0) ? [.. known.Take(TargetNodes.MostTold).SelectMany(k => k)] : [];
    }

    private static string SourceCall(string node) => $"capabilities-source/{node}";

    private static string TargetCall(string node) => $"capabilities-target/{node}";

    /// <summary>Adds what the nodes lack, and what of the pod only its node shows; false while their agents are being asked, or
    /// when another node may be asked in this one's place.</summary>
    private bool AskNodes(MigrationScope scope, V1Pod pod, string target, List<(string Reason, string Message)> found, bool dry)
    {
        var request = new GetCapabilitiesRequest { PodUid = pod.Metadata.Uid, LeaveMark = true };
        request.VolumeNames.AddRange(pod.EmptyDirs());
        if (AskNode(scope, SourceCall(pod.Spec.NodeName!), pod.Spec.NodeName!, request, found, dry) is not { } here
            || AskNode(scope, TargetCall(target), target, new GetCapabilitiesRequest { FindMark = here.StoreMark }, found, dry) is not { } there)
        {
            return false;
        }

        found.AddRange(NodeObstacles.OfSource(pod, scope.TcpPolicy, here));
        var lacking = NodeObstacles.OfTarget(pod, here, there).ToList();
        if (lacking.Count > 0 && scope.Migration.Spec.TargetNode is null)
        {
            lacking = WhyNoneIsLeft(scope, pod);
            if (lacking.Count == 0)
            {
                scope.Wake();
                return false;
            }
        }

        found.AddRange(lacking);
        return true;
    }

    /// <summary>A node's answer: one without a name where its agent fails and that is told with the rest; null while it is
    /// being asked.</summary>
    private GetCapabilitiesResponse? AskNode(
        MigrationScope scope, string call, string node, GetCapabilitiesRequest request, List<(string Reason, string Message)> found, bool dry)
    {
        try
        {
            return Ask(scope, call, node, (agent, t) => agent.GetCapabilitiesAsync(request, t));
        }
        catch (AgentException exception) when (dry || found.Count > 0)
        {
            // An agent that may come back is waited for only where nothing else stands in the way.
            found.Add((exception.Reason, exception.Message));
            return new GetCapabilitiesResponse();
        }
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
            ObservedGeneration = scope.Migration.Metadata.Generation,
            StartTime = scope.Status.StartTime ?? scope.FirstBegun ?? Now,
            Outcome = good ? Outcomes.WouldMigrate : Outcomes.WouldFail,
            CompletionTime = Now,
        };
    }
}
