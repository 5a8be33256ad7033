using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>Has the target's node stage the checkpoint and let the target go, and waits until the runtime and kubelet
/// say that all of it runs.</summary>
/// <remarks>That it may run is stored before it is let go. The calls name the target by its uid: a second one finds it
/// staged, or let go.</remarks>
internal sealed class RestoreStep(
    MigrationObjects objects, MigrationNodes nodes, IAgentDirectory agents, AgentCalls calls) : IMigrationStep
{
    public async Task<bool> RunAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.RestoreVerified))
        {
            return true;
        }

        // A target that has ended for certain, or is about to, will never be verified: the source has what is left.
        nodes.RequireTarget(scope);
        var target = objects.FindTarget(scope) ?? await objects.RequireTargetAsync(scope, cancellationToken);
        if (target.Metadata.DeletionTimestamp is not null)
        {
            throw new TerminalException(
                Reasons.RestoreFailed, $"the target pod {target.Metadata.Name} was deleted before it was verified");
        }

        MigrationValidation.Refuse(MigrationValidation.OfContainers(target));
        var checkpoint = objects.RequireCheckpoint(scope);
        var contents = objects.ContentsOf(checkpoint).ToList();
        // A pod is restored whole: one that lacks a container would be taken for it, and its source removed. From when
        // the restore has begun on the contents are not needed any more, and may be gone.
        var names = target.LivingContainers().Select(c => c.Name).Order(StringComparer.Ordinal).ToList();
        if (!scope.HasBegun(Steps.Restore)
            && names.Except(contents.Select(c => c.Spec.Source.ContainerName!)).FirstOrDefault() is { } missing)
        {
            throw new TerminalException(
                Reasons.ArtifactMissing,
                $"container {missing} is not in PodCheckpoint {scope.CheckpointName} any more");
        }

        if (!Stage(scope, target, checkpoint, contents, names))
        {
            return scope.AwaitAnswer();
        }

        if (!scope.HasBegun(Steps.Restore))
        {
            scope.End(Steps.Transfer, "");
            scope.Begin(Steps.Restore);
            scope.Phase(MigrationPhases.Restoring, "the target is being restored");
            return false;
        }

        if (scope.HasBegun(Steps.Hold) && !HasSockets(scope, target, names))
        {
            return false;
        }

        if (AwaitRunning(scope, target, names) is { } restore)
        {
            TellVerified(scope, contents, restore);
        }

        // Stored before the source goes.
        return false;
    }

    // Both come from estimated offsets: less than their error may come out negative, which no status can hold.
    internal static long Downtime(DateTime stopped, DateTime running) =>
        Math.Max(0, (long)(running - stopped).TotalMilliseconds);

    /// <summary>Lets the target go.</summary>
    /// <returns>What its runtime says of a target of which every container runs; null while one does not.</returns>
    private GetRestoreResponse? AwaitRunning(MigrationScope scope, V1Pod target, List<string> names)
    {
        var go = new ReleaseRestoreRequest
        {
            PodUid = target.Metadata.Uid,
            AddressHolder = scope.HasBegun(Steps.Hold) ? scope.Uid : "",
        };
        var released = calls.Ask(
            scope, CallNames.Release, scope.Status.TargetNode!, (agent, t) => agent.ReleaseRestoreAsync(go, t));
        var question = RestoreQuestion.UntilRunning(target, names);
        var restore = calls.Ask(
            scope, CallNames.Restore, scope.Status.TargetNode!, (agent, t) => agent.GetRestoreAsync(question, t));
        if (restore is null || released is null)
        {
            return null;
        }

        RefuseFailed(restore);
        var running = restore.Containers.Where(c => c.Phase == RestorePhases.Running).Select(c => c.ContainerName);
        if (names.Except(running).Any())
        {
            RefuseEnded(target);
            calls.AskAgain(scope, CallNames.Restore);
            return null;
        }

        return ConfirmAfterKubelet(scope, target, names, restore);
    }

    /// <summary>No create comes any more that could take what is staged: a create that waited too long ends a pod that
    /// is never restarted.</summary>
    private static void RefuseEnded(V1Pod target)
    {
        if (target.Status is { Phase: "Failed" or "Succeeded" } ended)
        {
            var why = $"{ended.Reason} {ended.Message}".Trim();
            throw new TerminalException(
                Reasons.RestoreFailed,
                $"the target pod {target.Metadata.Name} ended before it was restored"
                    + (why.Length > 0 ? $": {why}" : ""));
        }
    }

    /// <returns>What its runtime says of a target that kubelet, too, has seen run; null until then.</returns>
    private GetRestoreResponse? ConfirmAfterKubelet(
        MigrationScope scope, V1Pod target, List<string> names, GetRestoreResponse restore)
    {
        MigrationValidation.Refuse(Verification.OfContainers(target, restore));
        if (Verification.IsComplete(target, restore, names.Count)
            && AskAgainAfterKubelet(scope, target, names) is { } now)
        {
            RefuseFailed(now);
            if (Verification.IsComplete(target, now, names.Count))
            {
                return now;
            }
        }

        if (nodes.IsSilent(scope.Status.TargetNode!))
        {
            scope.Stall = MigrationStalls.TargetSilent(scope);
        }

        return null;
    }

    /// <summary>What the target's agent says after kubelet: that a container runs does not say what runs in it. A node
    /// that has lost its power since it let the target go has begun it afresh.</summary>
    private GetRestoreResponse? AskAgainAfterKubelet(MigrationScope scope, V1Pod target, List<string> names)
    {
        var question = RestoreQuestion.Now(target, names);
        return calls.Ask(
            scope, CallNames.Verify, scope.Status.TargetNode!, (agent, t) => agent.GetRestoreAsync(question, t));
    }

    private void TellVerified(
        MigrationScope scope, List<ContainerCheckpointContent> contents, GetRestoreResponse restore)
    {
        scope.Status = scope.Status with
        {
            PodAccessible = true,
            DowntimeMilliseconds = Downtime(scope, contents, restore),
        };
        scope.Set(ConditionTypes.Restored, true, Reasons.Succeeded, "the target's processes run");
        scope.Set(
            ConditionTypes.RestoreVerified, true, Reasons.Succeeded,
            "the runtime restored every container, and all run");
        scope.End(Steps.Restore, $"CRIU took {restore.Containers.Max(c => c.RestoreMicroseconds) / 1000} ms");
        scope.Begin(Steps.Commit);
        scope.Phase(MigrationPhases.Finalizing, "the source is being removed");
    }

    /// <summary>Has the target's agent verify and stage every container, or confirm what it has staged ahead.</summary>
    /// <returns>Whether all are; false while it does.</returns>
    private bool Stage(
        MigrationScope scope, V1Pod target, PodCheckpoint checkpoint, IEnumerable<ContainerCheckpointContent> contents,
        IReadOnlyList<string> names)
    {
        var volumes = checkpoint.Status?.Volumes ?? [];
        var staged = true;
        foreach (var content in contents)
        {
            staged &= calls.Ask(
                scope, CallNames.Prepare(content.Spec.Source.ContainerName!), scope.Status.TargetNode!,
                (agent, t) => agent.PrepareRestoreAsync(PrepareRequest(target, content, names, volumes), t))
                is not null;
        }

        return staged;
    }

    private static PrepareRestoreRequest PrepareRequest(
        V1Pod target, ContainerCheckpointContent content, IEnumerable<string> all, IEnumerable<string> volumes)
    {
        var request = new PrepareRestoreRequest
        {
            PodNamespace = target.Metadata.NamespaceProperty,
            PodName = target.Metadata.Name,
            PodUid = target.Metadata.Uid,
            ContainerName = content.Spec.Source.ContainerName,
            ArtifactUri = content.Spec.ArtifactURI,
            ExpectedDigest = content.Status!.CompressedDigest,
        };
        request.ContainerNames.AddRange(all);
        request.VolumeNames.AddRange(volumes);
        return request;
    }

    /// <summary>Every container has its sockets again: until then the node lets nothing through to the pod.</summary>
    private bool HasSockets(MigrationScope scope, V1Pod target, IEnumerable<string> containers)
    {
        var question = RestoreQuestion.UntilRestored(target, containers);
        if (calls.Ask(
            scope, CallNames.Sockets, scope.Status.TargetNode!,
            (agent, t) => agent.GetRestoreAsync(question, t)) is not { } restore)
        {
            return false;
        }

        RefuseFailed(restore);
        return restore.Containers.All(c => RestorePhases.HasCome(c.Phase, RestorePhases.Restored))
            || calls.AskAgain(scope, CallNames.Sockets);
    }

    private static void RefuseFailed(GetRestoreResponse restore)
    {
        if (restore.Containers.FirstOrDefault(c => c.Phase == RestorePhases.Failed) is { } failed)
        {
            throw new TerminalException(
                Reasons.RestoreFailed, $"container {failed.ContainerName} could not be restored: {failed.Message}");
        }
    }

    private long? Downtime(MigrationScope scope, List<ContainerCheckpointContent> contents, GetRestoreResponse restore)
    {
        var stopped = contents.Min(c => c.Status?.StoppedAt);
        var here = agents.Find(scope.Status.SourceNode!)?.ClockOffset ?? TimeSpan.Zero;
        var there = agents.Find(scope.Status.TargetNode!)?.ClockOffset ?? TimeSpan.Zero;
        var running = restore.Containers.Max(c => c.RunningAt.ToDateTime());
        return stopped is null ? null : Downtime(stopped.Value - here, running - there);
    }
}
