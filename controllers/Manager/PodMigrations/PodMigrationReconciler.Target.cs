using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>The steps at the target: prepare, restore, commit.</content>
internal sealed partial class PodMigrationReconciler
{
    private async Task<bool> PrepareTargetAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.TargetPrepared))
        {
            return true;
        }

        scope.Begin("Transfer");
        scope.Phase(MigrationPhases.Transferring, "the checkpoint goes to the target");
        var source = FindSource(scope)
            ?? throw new TerminalException(Reasons.PodNotFound, "the source pod has gone while it was being migrated");
        var checkpoint = FindCheckpoint(scope);
        var target = FindTarget(scope) ?? await cluster.CreateOrGetAsync(
            TargetPod.From(source, scope, ArtifactUri.ForPod(scope.Status.PodUID!, checkpoint.Status!.CheckpointID!).ToString()),
            cancellationToken);
        if (!IsTargetOf(target, scope))
        {
            throw new TerminalException(Reasons.RestoreFailed, $"a pod named {target.Metadata.Name} exists and is not this migration's: delete it");
        }

        scope.Status = scope.Status with { RestoredPodName = target.Metadata.Name };
        var staged = true;
        foreach (var content in Contents(checkpoint))
        {
            var request = new PrepareRestoreRequest
            {
                PodNamespace = scope.Namespace,
                PodName = target.Metadata.Name,
                PodUid = target.Metadata.Uid,
                ContainerName = content.Spec.Source.ContainerName,
                ArtifactUri = content.Spec.ArtifactURI,
                ExpectedDigest = content.Status!.Digest,
            };
            staged &= Ask(
                scope, $"prepare/{request.ContainerName}", scope.Status.TargetNode!,
                (agent, t) => agent.PrepareRestoreAsync(request, t)) is not null;
        }

        if (staged)
        {
            scope.Set(ConditionTypes.TargetPrepared, true, Reasons.Succeeded, "the checkpoint is verified and staged at the target");
            scope.End("Transfer", "");
            scope.Begin("Restore");
            scope.Phase(MigrationPhases.Restoring, "the target is being restored");
        }

        return false;
    }

    private Task<bool> RestoreAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.RestoreVerified))
        {
            return Task.FromResult(true);
        }

        var target = FindTarget(scope)
            ?? throw new TerminalException(Reasons.RestoreFailed, "the target pod has gone before it was restored");
        var contents = Contents(FindCheckpoint(scope)).ToList();
        var request = new GetRestoreRequest { PodUid = target.Metadata.Uid, WaitMilliseconds = 20_000 };
        request.ContainerNames.AddRange(contents.Select(c => c.Spec.Source.ContainerName));
        var restore = Ask(scope, "restore", scope.Status.TargetNode!, (agent, t) => agent.GetRestoreAsync(request, t));
        if (restore is null)
        {
            return Task.FromResult(false);
        }

        if (restore.Containers.FirstOrDefault(c => c.Phase == "Failed") is { } failed)
        {
            throw new TerminalException(Reasons.RestoreFailed, $"container {failed.ContainerName} could not be restored: {failed.Message}");
        }

        if (restore.Containers.Any(c => c.Phase != "Running"))
        {
            // The agent's wait has ended before the restore: ask again.
            calls.Forget($"pmig/{scope.Uid}/restore");
            scope.Wake();
            return Task.FromResult(false);
        }

        var running = target.Status?.ContainerStatuses?.Count(s => s.State?.Running is not null && s.RestartCount == 0) ?? 0;
        if (target.Status?.ContainerStatuses?.FirstOrDefault(s => s.RestartCount > 0 || s.State?.Terminated is not null) is { } ended)
        {
            throw new TerminalException(Reasons.RestoreFailed, $"container {ended.Name} was restored and ended at once; see kubectl logs and describe of pod {target.Metadata.Name}");
        }

        if (running < contents.Count)
        {
            return Task.FromResult(false);
        }

        scope.Status = scope.Status with
        {
            PodAccessible = true,
            DowntimeMilliseconds = Downtime(scope, contents, restore),
        };
        scope.Set(ConditionTypes.Restored, true, Reasons.Succeeded, "the target's processes run");
        scope.Set(ConditionTypes.RestoreVerified, true, Reasons.Succeeded, "the runtime restored every container, and all run");
        scope.End("Restore", $"CRIU took {restore.Containers.Max(c => c.RestoreMicroseconds) / 1000} ms");
        scope.Begin("Commit");
        scope.Phase(MigrationPhases.Finalizing, "the source is being removed");
        // Stored before the source goes: from here on only forward.
        return Task.FromResult(false);
    }

    private async Task<bool> CommitAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (FindSource(scope) is { } source)
        {
            // Grace 0 would remove the object before anybody has killed the processes; so kubelet has the last word.
            if (source.Metadata.DeletionTimestamp is null)
            {
                await cluster.DeleteAsync(source, graceSeconds: 1, cancellationToken);
            }

            return false;
        }

        scope.Set(ConditionTypes.SourceRemoved, true, Reasons.Succeeded, "the source pod is gone");
        var request = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = false };
        if (Ask(scope, "unfence", scope.Status.SourceNode!, (agent, t) => agent.UnfenceAsync(request, t)) is null)
        {
            return false;
        }

        scope.End("Commit", "");
        scope.Phase(MigrationPhases.Completed, $"pod {scope.Status.RestoredPodName} goes on at {scope.Status.TargetNode}");
        scope.Set(ConditionTypes.Ready, true, Reasons.Succeeded, scope.Status.Message!);
        scope.Status = scope.Status with { Outcome = Outcomes.Restored, CompletionTime = Now };
        return true;
    }

    private long? Downtime(MigrationScope scope, List<ContainerCheckpointContent> contents, GetRestoreResponse restore)
    {
        var stopped = contents.Min(c => c.Status?.StoppedAt);
        var here = agents.Find(scope.Status.SourceNode!)?.ClockOffset ?? TimeSpan.Zero;
        var there = agents.Find(scope.Status.TargetNode!)?.ClockOffset ?? TimeSpan.Zero;
        var running = restore.Containers.Max(c => c.RunningAt.ToDateTime());
        return stopped is null ? null : (long)((running - there) - (stopped.Value - here)).TotalMilliseconds;
    }
}
