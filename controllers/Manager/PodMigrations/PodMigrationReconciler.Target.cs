using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The steps at the target: prepare, restore, commit.</content>
internal sealed partial class PodMigrationReconciler
{
    /// <summary>The target pod first, while the source still runs: scheduling, sandbox, network and volumes cost no
    /// downtime, and a target that cannot start is found out before anything is stopped.</summary>
    private async Task<bool> ReceiveAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.TargetPrepared))
        {
            return true;
        }

        if (!scope.Is(ConditionTypes.Checkpointed))
        {
            _nodes.RequireSource(scope);
        }

        scope.Begin(Steps.Receive);
        scope.Phase(scope.Is(ConditionTypes.Checkpointed) ? MigrationPhases.Transferring : MigrationPhases.Pending, "the target pod is being prepared");
        var source = _objects.RequireSource(scope);
        _nodes.RequireTarget(scope);
        if (ImagesFor(scope, source) is not { } images)
        {
            return scope.AwaitAnswer();
        }

        // One that was there and has gone is not made again: whoever took it away would take the next one, too.
        var target = _objects.FindTarget(scope) ?? (scope.Status.RestoredPodUID is not null
            ? await _objects.RequireTargetAsync(scope, cancellationToken)
            : await cluster.CreateOrGetAsync(
                TargetPod.From(source, scope, ArtifactUri.ForPod(scope.Status.PodUID!, scope.CheckpointID).ToString(), images),
                cancellationToken));
        if (!MigrationObjects.IsTargetOf(target, scope))
        {
            throw new TerminalException(Reasons.RestoreFailed, $"a pod named {target.Metadata.Name} exists and is not this migration's: delete it");
        }

        scope.Status = scope.Status with { RestoredPodName = target.Metadata.Name, RestoredPodUID = target.Metadata.Uid };
        MigrationValidation.Refuse(MigrationValidation.OfAdmission(source, target) ?? MigrationValidation.OfReceiver(target));
        var request = new GetRestoreRequest { PodUid = target.Metadata.Uid, WaitMilliseconds = 10_000, Until = "Waiting" };
        request.ContainerNames.AddRange(target.LivingContainers().Select(c => c.Name));
        if (_calls.Ask(scope, "receive", scope.Status.TargetNode!, (agent, t) => agent.GetRestoreAsync(request, t)) is not { } receiver)
        {
            return scope.AwaitAnswer();
        }

        if (receiver.Containers.FirstOrDefault(c => c.Phase == "Failed") is { } failed)
        {
            throw new TerminalException(Reasons.RestoreFailed, $"container {failed.ContainerName} of the target cannot wait: {failed.Message}");
        }

        // It may be further, where an operator has died before it could say that the target waits.
        if (receiver.Containers.All(c => c.Phase is not ("Waiting" or "Staged" or "Restoring" or "Restored" or "Running")))
        {
            return _calls.AskAgain(scope, "receive");
        }

        if (!HasSameImages(scope, source, target, images))
        {
            return scope.AwaitAnswer();
        }

        if (scope.HasBegun(Steps.Hold))
        {
            RequireAddress(source, target, receiver.Addresses);
        }

        scope.Set(ConditionTypes.TargetPrepared, true, Reasons.Succeeded, $"pod {target.Metadata.Name} stands at {scope.Status.TargetNode} and waits for the checkpoint");
        scope.End(Steps.Receive, "");
        return true;
    }

    private async Task<bool> RestoreAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.RestoreVerified))
        {
            return true;
        }

        // A target that has ended for certain, or is about to, will never be verified: the source has what is left.
        _nodes.RequireTarget(scope);
        var target = _objects.FindTarget(scope) ?? await _objects.RequireTargetAsync(scope, cancellationToken);
        if (target.Metadata.DeletionTimestamp is not null)
        {
            throw new TerminalException(Reasons.RestoreFailed, $"the target pod {target.Metadata.Name} was deleted before it was verified");
        }

        MigrationValidation.Refuse(MigrationValidation.OfContainers(target));
        var checkpoint = _objects.RequireCheckpoint(scope);
        var contents = _objects.ContentsOf(checkpoint).ToList();
        // A pod is restored whole: one that lacks a container would be taken for it, and its source removed. From when the
        // restore has begun on the contents are not needed any more, and may be gone.
        var names = target.LivingContainers().Select(c => c.Name).Order(StringComparer.Ordinal).ToList();
        if (!scope.HasBegun(Steps.Restore) && names.Except(contents.Select(c => c.Spec.Source.ContainerName!)).FirstOrDefault() is { } missing)
        {
            throw new TerminalException(Reasons.ArtifactMissing, $"container {missing} is not in PodCheckpoint {scope.CheckpointName} any more");
        }

        var volumes = checkpoint.Status?.Volumes ?? [];
        var staged = true;
        foreach (var content in contents)
        {
            staged &= _calls.Ask(
                scope, $"prepare/{content.Spec.Source.ContainerName}", scope.Status.TargetNode!,
                (agent, t) => agent.PrepareRestoreAsync(PrepareRequest(target, content, names, volumes), t)) is not null;
        }

        if (!staged)
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

        var holds = scope.HasBegun(Steps.Hold);
        if (holds && !HasSockets(scope, target, names))
        {
            return false;
        }

        var go = new ReleaseRestoreRequest { PodUid = target.Metadata.Uid, AddressHolder = holds ? scope.Uid : "" };
        var released = _calls.Ask(scope, "release", scope.Status.TargetNode!, (agent, t) => agent.ReleaseRestoreAsync(go, t));
        var request = new GetRestoreRequest { PodUid = target.Metadata.Uid, WaitMilliseconds = 20_000 };
        request.ContainerNames.AddRange(names);
        var restore = _calls.Ask(scope, "restore", scope.Status.TargetNode!, (agent, t) => agent.GetRestoreAsync(request, t));
        if (restore is null || released is null)
        {
            return false;
        }

        RefuseFailed(restore);
        if (names.Except(restore.Containers.Where(c => c.Phase == "Running").Select(c => c.ContainerName)).Any())
        {
            return _calls.AskAgain(scope, "restore");
        }

        MigrationValidation.Refuse(Verification.OfContainers(target, restore));
        if (!Verification.IsComplete(target, names.Count))
        {
            if (_nodes.IsSilent(scope.Status.TargetNode!))
            {
                scope.Stall = MigrationStalls.TargetSilent(scope);
            }

            return false;
        }

        scope.Status = scope.Status with
        {
            PodAccessible = true,
            DowntimeMilliseconds = Downtime(scope, contents, restore),
        };
        scope.Set(ConditionTypes.Restored, true, Reasons.Succeeded, "the target's processes run");
        scope.Set(ConditionTypes.RestoreVerified, true, Reasons.Succeeded, "the runtime restored every container, and all run");
        scope.End(Steps.Restore, $"CRIU took {restore.Containers.Max(c => c.RestoreMicroseconds) / 1000} ms");
        scope.Begin(Steps.Commit);
        scope.Phase(MigrationPhases.Finalizing, "the source is being removed");
        // Stored before the source goes: from here on only forward.
        return false;
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

    private long? Downtime(MigrationScope scope, List<ContainerCheckpointContent> contents, GetRestoreResponse restore)
    {
        var stopped = contents.Min(c => c.Status?.StoppedAt);
        var here = agents.Find(scope.Status.SourceNode!)?.ClockOffset ?? TimeSpan.Zero;
        var there = agents.Find(scope.Status.TargetNode!)?.ClockOffset ?? TimeSpan.Zero;
        var running = restore.Containers.Max(c => c.RunningAt.ToDateTime());
        return stopped is null ? null : Downtime(stopped.Value - here, running - there);
    }

    // Both come from estimated offsets: less than their error may come out negative, which no status can hold.
    internal static long Downtime(DateTime stopped, DateTime running) =>
        Math.Max(0, (long)(running - stopped).TotalMilliseconds);
}
