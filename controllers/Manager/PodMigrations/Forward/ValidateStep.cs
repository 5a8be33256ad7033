using System.Diagnostics.CodeAnalysis;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Finds everything that stands in the way, at once, and chooses the target; a dry run ends here.</summary>
/// <remarks>Takes nothing but a slot, and asking again takes no second one. What was chosen is stored before the first
/// side effect: the pod and the nodes are chosen once.</remarks>
internal sealed class ValidateStep(
    ICluster cluster, MigrationNodes nodes, ObjectObstacles obstacles, NodeInquiry inquiry, TargetChoice targets,
    SilentAgents silentAgents, TimeProvider time)
    : IMigrationStep
{
    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.Validated))
        {
            return true;
        }

        scope.Begin(Steps.Validate);
        var pod = cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, scope.Migration.Spec.PodName));
        var found = await FindObstaclesAsync(scope, pod, cancellationToken);
        var target = await ChooseTargetAsync(scope, pod, found, cancellationToken);
        if (found.Count == 0 && target is null)
        {
            return false;
        }

        if (CanBeAsked(pod, target) && !inquiry.Ask(scope, pod, target, found, IsDryRun(scope)))
        {
            scope.Phase(MigrationPhases.Pending, "asks the agents of both nodes what they can do");
            return scope.AwaitAnswer();
        }

        Conclude(scope, found, pod, target);
        // Stored before the first side effect: the pod and the nodes are chosen once.
        return false;
    }

    private static bool IsDryRun(MigrationScope scope) => scope.Migration.Spec.DryRun == true;

    /// <summary>What stands in the way without anybody's agent being asked.</summary>
    private async Task<List<Obstacle>> FindObstaclesAsync(
        MigrationScope scope, V1Pod? pod, CancellationToken cancellationToken)
    {
        scope.Claims = pod is null ? [] : await obstacles.ClaimsAsync(pod, cancellationToken);
        var found = obstacles.OfObjects(scope, pod).ToList();
        if (await obstacles.OfServiceAsync(scope, pod, cancellationToken) is { } unserved)
        {
            found.Add(unserved);
        }

        if (found.Count == 0 && pod is not null)
        {
            found.AddRange(inquiry.WhyNoneIsLeft(scope, pod));
        }

        return found;
    }

    /// <summary>The node to go to; null where there is none, or the migration waits for a slot.</summary>
    private async Task<string?> ChooseTargetAsync(
        MigrationScope scope, V1Pod? pod, List<Obstacle> found, CancellationToken cancellationToken)
    {
        if (pod is null)
        {
            return null;
        }

        // A slot is for who begins. Everybody else is told of any node that would do.
        return found.Count == 0 && !IsDryRun(scope)
            ? await targets.ChooseAsync(scope, pod, cancellationToken)
            : inquiry.Candidates(scope, pod) is [var best, ..] ? best : null;
    }

    /// <summary>Whether there are two nodes whose agents could tell more.</summary>
    private bool CanBeAsked([NotNullWhen(true)] V1Pod? pod, [NotNullWhen(true)] string? target) =>
        target is not null
        && nodes.Find(target) is not null
        && pod?.Spec.NodeName is { } source
        && source != target;

    /// <exception cref="TerminalException">Something stands in the way.</exception>
    private void Conclude(MigrationScope scope, List<Obstacle> found, V1Pod? pod, string? target)
    {
        if (IsDryRun(scope))
        {
            EndDryRun(scope, found, pod, target);
            return;
        }

        if (found.Count > 0)
        {
            throw new TerminalException(found[0].Reason, Obstacle.Tell(found));
        }

        TellChosen(scope, pod!, target!);
    }

    private void TellChosen(MigrationScope scope, V1Pod pod, string target)
    {
        scope.Status = scope.Status with
        {
            PodUID = pod.Metadata.Uid,
            SourceNode = pod.Spec.NodeName,
            TargetNode = target,
            PodAccessible = true,
            MaxFreezeSeconds = (long?)Freeze.AllowedFor(pod)?.TotalSeconds,
            RestoredPodName = scope.TargetPodName(pod),
        };
        var freeze = Freeze.AllowedFor(pod) is { } longest
            ? $"; its liveness probes let it stand still for {longest.TotalSeconds:0} s"
            : "";
        var passed = string.Concat(silentAgents.Of(scope.Uid).Select(silent => $"; {silent.Why.Message}"));
        scope.Set(
            ConditionTypes.Validated,
            true,
            Reasons.Succeeded,
            $"pod {pod.Metadata.Name} can move from {pod.Spec.NodeName} to {target}{freeze}{passed}");
        silentAgents.Forget(scope.Uid);
        scope.End(Steps.Validate, "");
        scope.Phase(MigrationPhases.Pending, "the migration is possible");
    }

    private void EndDryRun(MigrationScope scope, List<Obstacle> found, V1Pod? pod, string? target)
    {
        var good = found.Count == 0;
        var reason = good ? Reasons.Succeeded : found[0].Reason;
        var message = good
            ? $"pod {pod!.Metadata.Name} could move from {pod.Spec.NodeName} to {target}; it was a dry run, nothing "
                + "was done"
            : Obstacle.Tell(found);
        scope.Set(ConditionTypes.Validated, good, reason, message);
        scope.Set(ConditionTypes.Ready, good, reason, message);
        scope.End(Steps.Validate, "");
        scope.Phase(good ? MigrationPhases.Completed : MigrationPhases.Failed, message);
        scope.Status = scope.Status with
        {
            SourceNode = good ? pod!.Spec.NodeName : null,
            TargetNode = good ? target : null,
            StartTime = scope.Status.StartTime ?? scope.FirstBegun ?? time.GetUtcNow().UtcDateTime,
            Outcome = good ? Outcomes.WouldMigrate : Outcomes.WouldFail,
            CompletionTime = time.GetUtcNow().UtcDateTime,
        };
    }
}
