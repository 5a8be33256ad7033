using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodRestores;

/// <summary>Restores pods that a user has made, with the restore annotation, from a PodCheckpoint of their namespace.</summary>
/// <remarks>
/// The pod's container waits in the runtime's handler meanwhile. Any number of pods may be made from one checkpoint. The
/// annotation alone opens nothing: what is staged is decided here, by the namespace's own objects, and compared once more
/// by the agent with what the checkpoint says of itself.
/// </remarks>
internal sealed class PodRestoreReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    PendingCalls calls,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    /// <summary>How long a checkpoint may be unknown: the views of pods and checkpoints are not of one instant.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Look = TimeSpan.FromSeconds(30);

    private readonly StrayTargets _strays = new(cluster, events);

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<V1Pod>(key) is { } target && StrayTargets.MayBe(target))
        {
            await _strays.RemoveAsync(target, cancellationToken);
            return ReconcileResult.Done;
        }

        if (cluster.Find<V1Pod>(key) is not { } pod || RestoreRequest.Of(pod) is not { } request || pod.Spec.NodeName is not { Length: > 0 })
        {
            if (cluster.Find<V1Pod>(key) is { Metadata.DeletionTimestamp: not null } leaving && leaving.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true)
            {
                // Nobody fetches the answers any more.
                calls.Forget($"restore/{leaving.Metadata.Uid}/");
            }

            return ReconcileResult.Done;
        }

        try
        {
            return await StepOrRefuseAsync(request, () => queue.Add(key), cancellationToken);
        }
        catch (AgentException exception)
        {
            // It is tried again, for as long as it takes: so that it can be seen what it waits for.
            events.Record(pod, "Warning", exception.Reason, $"is not restored yet: {exception.Message}");
            throw;
        }
    }

    private async Task<ReconcileResult> StepOrRefuseAsync(RestoreRequest request, Action wake, CancellationToken cancellationToken)
    {
        try
        {
            return await StepAsync(request, wake, cancellationToken);
        }
        catch (Exception exception) when (exception is TerminalException or AgentException { IsTerminal: true })
        {
            var reason = exception is TerminalException t ? t.Reason : ((AgentException)exception).Reason;
            return await RefuseAsync(request.Pod, reason, exception.Message, wake, cancellationToken);
        }
    }

    private async Task<ReconcileResult> StepAsync(RestoreRequest request, Action wake, CancellationToken cancellationToken)
    {
        var pod = request.Pod;
        var uri = request.Artifact
            ?? throw new TerminalException(
                Reasons.RestoreRefused,
                $"annotation {WellKnown.RestoreAnnotation} is no artifact's URI: write shared://<podUID>/<checkpointID>, as status.podUID and status.checkpointID of the PodCheckpoint have them");
        if (pod.Spec.RuntimeClassName != WellKnown.RestoreRuntimeClass)
        {
            throw new TerminalException(
                Reasons.RestoreRefused,
                $"spec.runtimeClassName is \"{pod.Spec.RuntimeClassName}\", so the pod has started afresh: set it to {WellKnown.RestoreRuntimeClass}");
        }

        var checkpoint = cluster.All<PodCheckpoint>()
            .Where(c => c.Metadata.NamespaceProperty == pod.Metadata.NamespaceProperty && RestoreRequest.IsOf(uri, c))
            .MinBy(c => Standing(c, pod));
        if (checkpoint?.Metadata.DeletionTimestamp is { } leaving && pod.Metadata.CreationTimestamp >= leaving)
        {
            // It waits for the pods that it had; one that comes later may find half of its bytes gone.
            throw new TerminalException(Reasons.RestoreRefused, $"PodCheckpoint {checkpoint.Metadata.Name} was being deleted already when the pod was created");
        }

        if (checkpoint?.Status?.Ready != true)
        {
            // One that is being deleted waits for the pods that are restored from it, and never becomes whole.
            var isAwaited = checkpoint is { Status.Error: null, Metadata.DeletionTimestamp: null };
            if (!isAwaited && time.GetUtcNow().UtcDateTime - pod.Metadata.CreationTimestamp >= Grace)
            {
                throw new TerminalException(
                    Reasons.RestoreRefused,
                    checkpoint is null
                        ? $"no PodCheckpoint of namespace {pod.Metadata.NamespaceProperty} is {uri}"
                        : $"PodCheckpoint {checkpoint.Metadata.Name} {(checkpoint.Status?.Error is { } error ? $"failed: {error.Message}" : "is being deleted, and never became whole")}");
            }

            if (!isAwaited)
            {
                return new ReconcileResult(TimeSpan.FromSeconds(1));
            }

            var ready = checkpoint!.Status?.Conditions.Find(ConditionTypes.Ready);
            events.Record(
                pod, "Warning", ready?.Reason ?? Reasons.Pending,
                $"waits for PodCheckpoint {checkpoint.Metadata.Name}, which is not ready: {ready?.Message ?? "it has not begun"}");
            // Its changes wake this pod; the look is the net below them.
            return new ReconcileResult(Look);
        }

        var content = Bound(checkpoint);
        var names = Containers(pod, uri, checkpoint);
        var volumes = uri.Container is null ? checkpoint.Status.Volumes ?? [] : [];
        if (volumes.Except(pod.EmptyDirs()).FirstOrDefault() is { } volume)
        {
            throw new TerminalException(
                Reasons.RestoreRefused, $"the pod has no emptyDir volume {volume}, whose content PodCheckpoint {checkpoint.Metadata.Name} holds: add it");
        }

        var restored = Restore(pod, uri, content, names, volumes, wake);
        if (restored is null)
        {
            return ReconcileResult.Done;
        }

        if (restored.Containers.FirstOrDefault(c => c.Phase == "Failed") is { } failed)
        {
            throw new TerminalException(Reasons.RestoreFailed, $"container {failed.ContainerName} could not be restored: {failed.Message}");
        }

        if (restored.Containers.Any(c => c.Phase != RestorePhases.Running))
        {
            calls.Forget($"restore/{pod.Metadata.Uid}/look");
            return new ReconcileResult(TimeSpan.FromMilliseconds(1));
        }

        return await SucceedAsync(
            pod,
            $"goes on from PodCheckpoint {checkpoint.Metadata.Name}; CRIU took {restored.Containers.Max(c => c.RestoreMicroseconds) / 1000} ms",
            cancellationToken);
    }

    private async Task<ReconcileResult> SucceedAsync(V1Pod pod, string message, CancellationToken cancellationToken)
    {
        await cluster.AnnotateAsync(pod, WellKnown.RestoreOutcome, Outcomes.Restored, cancellationToken);
        events.Record(pod, "Normal", Outcomes.Restored, message);
        calls.Forget($"restore/{pod.Metadata.Uid}/");
        return ReconcileResult.Done;
    }

    /// <summary>Several may be of one artifact, imported ones beside the one that made it: which of them serves a pod best.</summary>
    private static int Standing(PodCheckpoint checkpoint, V1Pod pod) => checkpoint switch
    {
        { Metadata.DeletionTimestamp: null, Status.Ready: true } => 0,
        { Metadata.DeletionTimestamp: { } leaving, Status.Ready: true } when pod.Metadata.CreationTimestamp < leaving => 1,
        { Metadata.DeletionTimestamp: null, Status.Error: null } => 2,
        _ => 3,
    };

    private PodCheckpointContent Bound(PodCheckpoint checkpoint) =>
        cluster.Find<PodCheckpointContent>(new ObjectKey(null, checkpoint.Status!.BoundContentName!)) is { } content
        && content.Spec.PodCheckpointRef.Uid == checkpoint.Metadata.Uid
        && content.Spec.Source.PodUID == checkpoint.Status.PodUID
        && content.Spec.Source.CheckpointID == checkpoint.Status.CheckpointID
        && content.Metadata.Name == PodCheckpointReconciler.ContentName(checkpoint)
            ? content
            : throw new TerminalException(
                Reasons.BindingMismatch, $"PodCheckpoint {checkpoint.Metadata.Name} and its content do not point at each other");

    /// <summary>The containers to restore: that of the artifact, or all of the checkpoint, which the pod must have, and no others.</summary>
    private static List<string> Containers(V1Pod pod, ArtifactUri uri, PodCheckpoint checkpoint)
    {
        if (uri.Container is null && pod.Spec.InitContainers?.FirstOrDefault(c => pod.Sidecars().All(s => s.Name != c.Name)) is { } initial)
        {
            // No checkpoint has it, and kubelet starts no other container before it has ended.
            throw new TerminalException(
                Reasons.RestoreRefused, $"init container {initial.Name} had ended before the checkpoint, and what it did is in it: remove it");
        }

        var has = checkpoint.Status!.Containers ?? [];
        var wants = pod.LivingContainers().Select(c => c.Name).ToList();
        var names = uri.Container is { } one ? [one] : wants;
        return names.Except(has).FirstOrDefault() is { } unknown
            ? throw new TerminalException(
                Reasons.RestoreRefused,
                $"container {unknown} is not in PodCheckpoint {checkpoint.Metadata.Name}, which has {string.Join(", ", has)}: remove it, or name one container's artifact in the annotation")
            : (uri.Container is null ? has : names).Except(wants).FirstOrDefault() is { } missing
                ? throw new TerminalException(
                    Reasons.RestoreRefused, $"the pod has no container {missing}, which PodCheckpoint {checkpoint.Metadata.Name} holds: add it, with the same image")
                : names;
    }

    private GetRestoreResponse? Restore(
        V1Pod pod, ArtifactUri uri, PodCheckpointContent content, List<string> names, IEnumerable<string> volumes, Action wake)
    {
        var agent = AgentOf(pod);
        var staged = true;
        foreach (var name in names)
        {
            var request = new PrepareRestoreRequest
            {
                PodNamespace = pod.Metadata.NamespaceProperty,
                PodName = pod.Metadata.Name,
                PodUid = pod.Metadata.Uid,
                ContainerName = name,
                ArtifactUri = ArtifactUri.ForContainer(uri.PodUid, uri.CheckpointId, name).ToString(),
                ExpectedDigest = DigestOf(content, name),
                OriginNamespace = content.Spec.Source.PodNamespace,
                Release = true,
            };
            request.ContainerNames.AddRange(names);
            request.VolumeNames.AddRange(volumes);
            staged &= calls.Ask($"restore/{pod.Metadata.Uid}/prepare/{name}", t => agent.PrepareRestoreAsync(request, t), wake) is not null;
        }

        if (!staged)
        {
            return null;
        }

        var look = new GetRestoreRequest { PodUid = pod.Metadata.Uid, WaitMilliseconds = 20_000 };
        look.ContainerNames.AddRange(names);
        return calls.Ask($"restore/{pod.Metadata.Uid}/look", t => agent.GetRestoreAsync(look, t), wake);
    }

    /// <summary>What the objects say of an artifact; an imported checkpoint has no object for each container, and the agent
    /// goes by the checkpoint's own marker.</summary>
    private string DigestOf(PodCheckpointContent content, string container) =>
        cluster.Where(Indexes.ContentsByCheckpoint, Indexes.Whole(content.Spec.Source)).FirstOrDefault(c =>
            c.Spec.Source.ContainerName == container)?.Status?.CompressedDigest ?? "";

    /// <summary>The waiting container fails with the reason, and the pod says why; it never starts without its memory.</summary>
    private async Task<ReconcileResult> RefuseAsync(
        V1Pod pod, string reason, string message, Action wake, CancellationToken cancellationToken)
    {
        if (pod.Spec.RuntimeClassName == WellKnown.RestoreRuntimeClass)
        {
            var request = new CancelRestoreRequest { PodUid = pod.Metadata.Uid, Reason = message, UnlessRun = reason != Reasons.RestoreFailed };
            if (calls.Ask($"restore/{pod.Metadata.Uid}/cancel{(request.UnlessRun ? "-unless-run" : "")}", t => AgentOf(pod).CancelRestoreAsync(request, t), wake) is not { } answer)
            {
                return ReconcileResult.Done;
            }

            if (answer.HasRun && request.UnlessRun)
            {
                // Another life of the operator let it run, before what it would be refused for now.
                return await SucceedAsync(pod, "goes on from its checkpoint", cancellationToken);
            }
        }

        await cluster.AnnotateAsync(pod, WellKnown.RestoreOutcome, $"{reason}: {message}", cancellationToken);
        events.Record(pod, "Warning", reason, message);
        calls.Forget($"restore/{pod.Metadata.Uid}/");
        return ReconcileResult.Done;
    }

    private ICheckpointAgent AgentOf(V1Pod pod) =>
        agents.Find(pod.Spec.NodeName!)
        ?? throw new AgentException(Reasons.NodeNotFound, $"node {pod.Spec.NodeName} has no agent", isTerminal: false);
}
