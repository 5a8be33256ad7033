using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Moves a pod in two phases: until RestoreVerified is stored every failure leads back to the running source,
/// from then on only forward.</summary>
/// <remarks>
/// A step makes at most one change and returns whether the next may follow; conditions in the status say which are done.
/// Every change may be made twice: names follow from uids, the agents' calls are idempotent. That a migration goes back
/// is stored (RolledBack=False) before anything is undone, so that the next operator does not begin it again.
/// </remarks>
internal sealed class PodMigrationReconciler(
    ICluster cluster, IAgentDirectory agents, PendingCalls calls, WorkQueue queue, TimeProvider time) : IReconciler
{
    private const int DefaultTimeoutSeconds = 300;

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<PodMigration>(key) is not { } migration)
        {
            return ReconcileResult.Done;
        }

        var finished = migration.Status?.CompletionTime is not null;
        if (finished || !migration.Has(WellKnown.MigrationFinalizer))
        {
            await SettleAsync(migration, finished, cancellationToken);
            return ReconcileResult.Done;
        }

        var scope = new MigrationScope(migration, () => queue.Add(key), Now);
        try
        {
            await AdvanceAsync(scope, cancellationToken);
        }
        catch (Exception exception) when (
            exception is TerminalException or AgentException { IsTerminal: true }
            && scope.Condition(ConditionTypes.RolledBack) is null)
        {
            // What fails on the way back is tried again until the source is safe.
            var reason = exception is TerminalException t ? t.Reason : ((AgentException)exception).Reason;
            Turn(scope, reason, exception.Message);
        }

        await cluster.PatchStatusAsync(migration, migration.Status, scope.Status, cancellationToken);
        return new ReconcileResult(
            scope.Status.CompletionTime is null && scope.Status.StartTime is not null ? Deadline(scope) - Now : null);
    }

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    private DateTime Deadline(MigrationScope scope)
    {
        var end = (scope.Status.StartTime ?? Now).AddSeconds(scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds);
        return scope.Is(ConditionTypes.RestoreVerified) || scope.Condition(ConditionTypes.RolledBack) is not null
            ? end.AddDays(1)
            : end;
    }

    /// <summary>Before the first and after the last step: the finalizer, and what the user wants kept.</summary>
    private async Task SettleAsync(PodMigration migration, bool finished, CancellationToken cancellationToken)
    {
        if (!finished)
        {
            if (migration.Metadata.DeletionTimestamp is null)
            {
                await cluster.SetFinalizersAsync(migration, migration.With(WellKnown.MigrationFinalizer), cancellationToken);
            }

            return;
        }

        calls.Forget($"pmig/{migration.Metadata.Uid}/");
        if (migration.Spec.CheckpointRetention != DeletionPolicies.Retain
            && migration.Status!.PodCheckpointName is { } name
            && cluster.Find<PodCheckpoint>(new ObjectKey(migration.Metadata.NamespaceProperty, name)) is { } checkpoint
            && checkpoint.IsControlledBy(migration)
            && checkpoint.Metadata.DeletionTimestamp is null)
        {
            await cluster.DeleteAsync(checkpoint, graceSeconds: null, cancellationToken);
        }

        if (migration.Has(WellKnown.MigrationFinalizer))
        {
            await cluster.SetFinalizersAsync(
                migration, migration.Without(WellKnown.MigrationFinalizer), CancellationToken.None);
        }
    }

    private async Task AdvanceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Condition(ConditionTypes.RolledBack) is { } turned)
        {
            await RollBackAsync(scope, turned, cancellationToken);
            return;
        }

        if (!scope.Is(ConditionTypes.RestoreVerified))
        {
            if (scope.Migration.Spec.Abort == true || scope.Migration.Metadata.DeletionTimestamp is not null)
            {
                throw new TerminalException(Reasons.Aborted, "the migration was asked to stop before its commit");
            }

            if (Now >= Deadline(scope))
            {
                throw new TerminalException(
                    Reasons.TimedOut, $"not restored within timeoutSeconds ({scope.Migration.Spec.TimeoutSeconds ?? DefaultTimeoutSeconds})");
            }
        }

        Func<MigrationScope, CancellationToken, Task<bool>>[] steps =
            [ValidateAsync, FenceAsync, CheckpointAsync, PrepareTargetAsync, RestoreAsync, CommitAsync];
        foreach (var step in steps)
        {
            if (!await step(scope, cancellationToken))
            {
                return;
            }
        }
    }

    private Task<bool> ValidateAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.Validated))
        {
            return Task.FromResult(true);
        }

        scope.Begin("Validate");
        var spec = scope.Migration.Spec;
        Refuse(MigrationValidation.OfSpec(spec));
        Refuse(MigrationValidation.OfOthers(scope.Migration, cluster.All<PodMigration>()));
        var pod = cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, spec.PodName))
            ?? throw new TerminalException(Reasons.PodNotFound, $"pod {spec.PodName} does not exist in namespace {scope.Namespace}");
        if (spec.PodUID is { } pinned && pod.Metadata.Uid != pinned)
        {
            throw new TerminalException(Reasons.SourcePodReplaced, $"pod {spec.PodName} has uid {pod.Metadata.Uid}, not {pinned}");
        }

        Refuse(MigrationValidation.OfPod(pod));
        var target = spec.TargetNode ?? ChooseNode(pod);
        if (target == pod.Spec.NodeName)
        {
            throw new TerminalException(Reasons.NodeNotCapable, $"pod {spec.PodName} is on node {target} already; name another targetNode");
        }

        var node = cluster.Find<V1Node>(new ObjectKey(null, target))
            ?? throw new TerminalException(Reasons.NodeNotFound, $"node {target} does not exist; see kubectl get nodes");
        if (!AgentDirectory.IsReady(node) || node.Spec?.Unschedulable == true)
        {
            throw new TerminalException(Reasons.NodeNotCapable, $"node {target} is not ready or is cordoned");
        }

        var there = Ask(scope, "capabilities-target", target, (agent, t) => agent.GetCapabilitiesAsync(t));
        var here = Ask(scope, "capabilities-source", pod.Spec.NodeName!, (agent, t) => agent.GetCapabilitiesAsync(t));
        if (there is null || here is null)
        {
            scope.Phase(MigrationPhases.Pending, "asks the agents of both nodes what they can do");
            return Task.FromResult(false);
        }

        Refuse(MigrationValidation.OfNodes(here, there));
        scope.Status = scope.Status with
        {
            ObservedGeneration = scope.Migration.Metadata.Generation,
            StartTime = scope.Status.StartTime ?? Now,
            PodUID = pod.Metadata.Uid,
            SourceNode = pod.Spec.NodeName,
            TargetNode = target,
            PodAccessible = true,
        };
        scope.Set(ConditionTypes.Validated, true, Reasons.Succeeded, $"pod {spec.PodName} can move from {pod.Spec.NodeName} to {target}");
        scope.End("Validate", "");
        scope.Phase(MigrationPhases.Pending, "the migration is possible");
        // Stored before the first side effect: the pod and the nodes are chosen once.
        return Task.FromResult(false);
    }

    private Task<bool> FenceAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.SourceFenced))
        {
            return Task.FromResult(true);
        }

        scope.Begin("Fence");
        var request = new FenceRequest
        {
            PodNamespace = scope.Namespace,
            PodName = scope.Migration.Spec.PodName,
            PodUid = scope.Status.PodUID,
            Holder = scope.Uid,
            TcpPolicy = scope.TcpPolicy,
        };
        if (Ask(scope, "fence", scope.Status.SourceNode!, (agent, t) => agent.FenceAsync(request, t)) is { } fenced)
        {
            scope.Set(
                ConditionTypes.SourceFenced, true, Reasons.Succeeded,
                $"fenced on {scope.Status.SourceNode} at {fenced.FencedAt.ToDateTime():O}: no container of the pod starts there, and its dump leaves it stopped");
            scope.End("Fence", "");
        }

        return Task.FromResult(false);
    }

    private async Task<bool> CheckpointAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        if (scope.Is(ConditionTypes.Checkpointed))
        {
            return true;
        }

        scope.Begin("Checkpoint");
        scope.Phase(MigrationPhases.Checkpointing, "the source is being dumped");
        scope.Status = scope.Status with { PodCheckpointName = scope.CheckpointName, PodAccessible = false };
        var checkpoint = cluster.Find<PodCheckpoint>(new ObjectKey(scope.Namespace, scope.CheckpointName))
            ?? await cluster.CreateOrGetAsync(CheckpointFor(scope), cancellationToken);
        if (!checkpoint.IsControlledBy(scope.Migration))
        {
            throw new TerminalException(Reasons.BindingMismatch, $"PodCheckpoint {scope.CheckpointName} belongs to somebody else: delete it");
        }

        if (checkpoint.Status?.Error is { } error)
        {
            throw new TerminalException(error.Reason ?? Reasons.CheckpointFailed, error.Message ?? "the checkpoint failed");
        }

        if (checkpoint.Status?.Ready != true)
        {
            return false;
        }

        var contents = Contents(checkpoint).ToList();
        if (contents.Count != checkpoint.Status.Containers!.Count)
        {
            return false;
        }

        if (contents.FirstOrDefault(c => c.Status?.LeftStopped != true) is { } running)
        {
            throw new TerminalException(
                Reasons.CheckpointFailed,
                $"container {running.Spec.Source.ContainerName} still ran after its dump, so a second live copy would come of it; see whether the node's CRIU reads leave-stopped");
        }

        scope.Status = scope.Status with { CheckpointBytes = checkpoint.Status.Size };
        scope.Set(ConditionTypes.Checkpointed, true, Reasons.CheckpointCompleted, $"{contents.Count} containers are dumped and stand still");
        scope.End("Checkpoint", $"{checkpoint.Status.Size} bytes");
        return false;
    }

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

    /// <summary>Turns back: only says so; the next run undoes.</summary>
    private static void Turn(MigrationScope scope, string reason, string message)
    {
        scope.Phase(MigrationPhases.Failed, message);
        scope.Set(ConditionTypes.Ready, false, reason, message);
        if (scope.Condition(ConditionTypes.RolledBack) is null)
        {
            scope.Set(ConditionTypes.RolledBack, false, reason, message);
        }
    }

    private async Task RollBackAsync(MigrationScope scope, V1Condition turned, CancellationToken cancellationToken)
    {
        // The target first, and until it is gone for certain: kubelet removes the object when the processes are dead.
        if (FindTarget(scope) is { } target && IsTargetOf(target, scope))
        {
            if (target.Metadata.DeletionTimestamp is null)
            {
                await cluster.DeleteAsync(target, graceSeconds: 1, cancellationToken);
            }

            return;
        }

        var touched = scope.Is(ConditionTypes.Validated);
        if (touched)
        {
            var request = new UnfenceRequest { PodUid = scope.Status.PodUID, Holder = scope.Uid, Resume = true };
            if (Ask(scope, "resume", scope.Status.SourceNode!, (agent, t) => agent.UnfenceAsync(request, t)) is null)
            {
                return;
            }
        }

        scope.Set(ConditionTypes.RolledBack, true, turned.Reason, turned.Message);
        scope.Phase(MigrationPhases.Failed, turned.Message);
        scope.Status = scope.Status with
        {
            StartTime = scope.Status.StartTime ?? Now,
            Outcome = touched ? Outcomes.RolledBack : null,
            PodAccessible = touched ? FindSource(scope) is not null : null,
            CompletionTime = Now,
        };
    }

    private long? Downtime(MigrationScope scope, List<ContainerCheckpointContent> contents, GetRestoreResponse restore)
    {
        var stopped = contents.Min(c => c.Status?.StoppedAt);
        var here = agents.Find(scope.Status.SourceNode!)?.ClockOffset ?? TimeSpan.Zero;
        var there = agents.Find(scope.Status.TargetNode!)?.ClockOffset ?? TimeSpan.Zero;
        var running = restore.Containers.Max(c => c.RunningAt.ToDateTime());
        return stopped is null ? null : (long)((running - there) - (stopped.Value - here)).TotalMilliseconds;
    }

    private T? Ask<T>(
        MigrationScope scope, string call, string node, Func<ICheckpointAgent, CancellationToken, Task<T>> body)
        where T : class
    {
        var agent = agents.Find(node)
            ?? throw new AgentException(Reasons.AgentUnavailable, $"node {node} does not exist or has no address", isTerminal: false);
        return calls.Ask($"pmig/{scope.Uid}/{call}", t => body(agent, t), scope.Wake);
    }

    private static void Refuse((string Reason, string Message)? refusal)
    {
        if (refusal is { } why)
        {
            throw new TerminalException(why.Reason, why.Message);
        }
    }

    private static bool IsTargetOf(V1Pod pod, MigrationScope scope) =>
        pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true && uid == scope.Uid
        && pod.Metadata.Uid != scope.Status.PodUID;

    private static PodCheckpoint CheckpointFor(MigrationScope scope) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = scope.CheckpointName,
            NamespaceProperty = scope.Namespace,
            OwnerReferences = [Owners.ControllerReference(scope.Migration)],
        },
        Spec = new PodCheckpointSpec
        {
            PodName = scope.Migration.Spec.PodName,
            PodUID = scope.Status.PodUID,
            DeletionPolicy = DeletionPolicies.Delete,
        },
    };

    private string ChooseNode(V1Pod pod) =>
        cluster.All<V1Node>()
            .Where(n => n.Metadata.Name != pod.Spec.NodeName && AgentDirectory.IsReady(n) && n.Spec?.Unschedulable != true)
            .OrderBy(n => cluster.All<V1Pod>().Count(p => p.Spec.NodeName == n.Metadata.Name))
            .ThenBy(n => n.Metadata.Name, StringComparer.Ordinal)
            .FirstOrDefault()?.Metadata.Name
        ?? throw new TerminalException(Reasons.NodeNotFound, "no other node is ready; name a targetNode when there is one");

    private V1Pod? FindSource(MigrationScope scope) =>
        cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, scope.Migration.Spec.PodName)) is { } pod
        && pod.Metadata.Uid == scope.Status.PodUID
            ? pod
            : null;

    private V1Pod? FindTarget(MigrationScope scope) =>
        cluster.All<V1Pod>().FirstOrDefault(p => p.Metadata.NamespaceProperty == scope.Namespace && IsTargetOf(p, scope));

    private PodCheckpoint FindCheckpoint(MigrationScope scope) =>
        cluster.Find<PodCheckpoint>(new ObjectKey(scope.Namespace, scope.CheckpointName))
        ?? throw new TerminalException(Reasons.CheckpointFailed, $"PodCheckpoint {scope.CheckpointName} has gone");

    /// <summary>The contents of a checkpoint's containers, each bound both ways.</summary>
    private IEnumerable<ContainerCheckpointContent> Contents(PodCheckpoint checkpoint) =>
        from part in cluster.All<ContainerCheckpoint>()
        where part.IsControlledBy(checkpoint)
        let name = part.Status?.BoundContentName
        where name is not null
        let content = cluster.Find<ContainerCheckpointContent>(new ObjectKey(null, name))
        where content?.Status?.Ready == true && content.Spec.ContainerCheckpointRef.Uid == part.Metadata.Uid
        select content;
}
