using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodRestores;

/// <summary>Restores pods that a user has made, with the restore annotation, from a
/// PodCheckpoint of their namespace.</summary>
/// <remarks>
/// The pod's container waits in the runtime's handler meanwhile. Any number of pods may be made from one checkpoint.
/// The annotation alone opens nothing: what is staged is decided here, by the namespace's own objects, and compared
/// once more by the agent with what the checkpoint says of itself.
/// </remarks>
internal sealed class PodRestoreReconciler(
    ICluster cluster,
    IAgentDirectory agents,
    PendingCalls calls,
    IEventRecorder events,
    WorkQueue queue,
    TimeProvider time) : IReconciler
{
    /// <summary>How long a checkpoint may be unknown: the views of pods and
    /// checkpoints are not of one instant.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>While it is unknown.</summary>
    private static readonly TimeSpan GraceInterval = TimeSpan.FromSeconds(1);

    /// <summary>The changes of its checkpoint wake a pod that waits for it; this is the net below them.</summary>
    private static readonly TimeSpan Resync = TimeSpan.FromSeconds(30);

    private readonly StrayTargets _strays = new(cluster, events);
    private readonly RestoreSources _sources = new(cluster);
    private readonly RestoreCalls _calls = new(agents, calls);

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<V1Pod>(key) is not { } pod)
        {
            _calls.Forget(key);
            return ReconcileResult.Done;
        }

        var isMadeAgain = false;
        if (StrayTargets.MayBe(pod))
        {
            isMadeAgain = await _strays.RemoveAsync(pod, cancellationToken);
            if (!isMadeAgain)
            {
                return ReconcileResult.Done;
            }
        }

        if ((isMadeAgain ? RestoreRequest.OfAny(pod) : RestoreRequest.Of(pod)) is not { } request)
        {
            if (pod.Metadata.DeletionTimestamp is not null
                && pod.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true)
            {
                _calls.Forget(pod);
            }

            return ReconcileResult.Done;
        }

        // Not scheduled yet: its node has nothing to restore.
        if (pod.Spec.NodeName is not { Length: > 0 })
        {
            return ReconcileResult.Done;
        }

        try
        {
            return await RestoreOrRefuseAsync(request, () => queue.Add(key), cancellationToken);
        }
        catch (AgentException exception)
        {
            // It is tried again, for as long as it takes: so that it can be seen what it waits for.
            events.Record(pod, "Warning", exception.Reason, $"is not restored yet: {exception.Message}");
            throw;
        }
    }

    private async Task<ReconcileResult> RestoreOrRefuseAsync(
        RestoreRequest request, Action requeue, CancellationToken cancellationToken)
    {
        try
        {
            return await RestoreAsync(request, requeue, cancellationToken);
        }
        catch (TerminalException exception)
        {
            return await RefuseAsync(request.Pod, exception.Reason, exception.Message, requeue, cancellationToken);
        }
        catch (AgentException exception) when (exception.IsTerminal)
        {
            return await RefuseAsync(request.Pod, exception.Reason, exception.Message, requeue, cancellationToken);
        }
    }

    private async Task<ReconcileResult> RestoreAsync(
        RestoreRequest request, Action requeue, CancellationToken cancellationToken)
    {
        var pod = request.Pod;
        var artifact = request.RequireArtifact();
        var checkpoint = _sources.Find(pod, artifact);
        if (checkpoint?.Status?.Ready != true)
        {
            return AwaitCheckpoint(pod, artifact, checkpoint);
        }

        var content = _sources.RequireContent(checkpoint);
        var plan = RestorePlan.For(pod, artifact, checkpoint);
        return _calls.Stage(plan, content, container => _sources.DigestOf(content, container), requeue)
            && _calls.Watch(plan, requeue) is { } restored
                ? await ConcludeAsync(plan, restored, cancellationToken)
                : ReconcileResult.Done;
    }

    private ReconcileResult AwaitCheckpoint(V1Pod pod, ArtifactUri artifact, PodCheckpoint? checkpoint)
    {
        if (checkpoint is { Status: { Error: null } status, Metadata.DeletionTimestamp: null })
        {
            var ready = status.Conditions.Find(ConditionTypes.Ready);
            events.Record(
                pod, "Warning", ready?.Reason ?? Reasons.Pending,
                $"waits for PodCheckpoint {checkpoint.Metadata.Name}, which is not ready: "
                    + $"{ready?.Message ?? "it has not begun"}");
            return new ReconcileResult(Resync);
        }

        var age = time.GetUtcNow().UtcDateTime - pod.Metadata.CreationTimestamp;
        if (age is null || age < Grace)
        {
            return new ReconcileResult(GraceInterval);
        }

        // One that is being deleted waits for the pods that are restored from it, and never becomes whole.
        throw new TerminalException(Reasons.RestoreRefused, checkpoint switch
        {
            null => $"no PodCheckpoint of namespace {pod.Metadata.NamespaceProperty} is {artifact}",
            { Status.Error: { } error } => $"PodCheckpoint {checkpoint.Metadata.Name} failed: {error.Message}",
            _ => $"PodCheckpoint {checkpoint.Metadata.Name} is being deleted, and never became whole",
        });
    }

    private async Task<ReconcileResult> ConcludeAsync(
        RestorePlan plan, GetRestoreResponse restored, CancellationToken cancellationToken)
    {
        if (restored.Containers.FirstOrDefault(c => c.Phase == RestorePhases.Failed) is { } failed)
        {
            throw new TerminalException(
                Reasons.RestoreFailed, $"container {failed.ContainerName} could not be restored: {failed.Message}");
        }

        if (restored.Containers.Any(c => c.Phase != RestorePhases.Running))
        {
            _calls.ForgetWatch(plan.Pod);
            return new ReconcileResult(TimeSpan.FromMilliseconds(1));
        }

        var milliseconds = restored.Containers.Max(c => c.RestoreMicroseconds) / 1000;
        return await SucceedAsync(
            plan.Pod,
            $"goes on from PodCheckpoint {plan.Checkpoint.Metadata.Name}; CRIU took {milliseconds} ms",
            cancellationToken);
    }

    private async Task<ReconcileResult> SucceedAsync(V1Pod pod, string message, CancellationToken cancellationToken)
    {
        await cluster.AnnotateAsync(pod, RestoreOutcome.For(pod, Outcomes.Restored), cancellationToken);
        events.Record(pod, "Normal", Outcomes.Restored, message);
        _calls.Forget(pod);
        return ReconcileResult.Done;
    }

    /// <summary>The waiting container fails with the reason, and the pod says why; it never
    /// starts without its memory.</summary>
    private async Task<ReconcileResult> RefuseAsync(
        V1Pod pod, string reason, string message, Action requeue, CancellationToken cancellationToken)
    {
        // In another runtime class nothing waits.
        if (pod.Spec.RuntimeClassName == WellKnown.RestoreRuntimeClass)
        {
            var unlessRun = reason != Reasons.RestoreFailed;
            if (_calls.Cancel(pod, message, unlessRun, requeue) is not { } answer)
            {
                return ReconcileResult.Done;
            }

            if (answer.HasRun && unlessRun)
            {
                // Another life of the operator let it run, before what it would be refused for now.
                return await SucceedAsync(pod, "goes on from its checkpoint", cancellationToken);
            }
        }

        await cluster.AnnotateAsync(pod, RestoreOutcome.For(pod, $"{reason}: {message}"), cancellationToken);
        events.Record(pod, "Warning", reason, message);
        _calls.Forget(pod);
        return ReconcileResult.Done;
    }
}
