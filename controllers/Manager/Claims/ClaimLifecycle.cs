using System.Runtime.ExceptionServices;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Claims;

/// <summary>What PodCheckpoints and ContainerCheckpoints go through alike, as claims of a content: the finalizer comes
/// before anything is made, each attempt ends in a status, and the finalizer goes after the content.</summary>
internal sealed class ClaimLifecycle(ICluster cluster, IEventRecorder events)
{
    /// <summary>Events drive a claim; this is the net below them, and sees that a node is lost.</summary>
    private static readonly TimeSpan Resync = TimeSpan.FromSeconds(3);

    /// <summary>Makes one attempt at what a claim asks for, and stores what has become of it.</summary>
    /// <param name="claim">The claim, which is neither ready nor failed.</param>
    /// <param name="stored">Its status.</param>
    /// <param name="report">Writes the status of an attempt that fails.</param>
    /// <param name="attempt">Goes one step, and returns the status after it.</param>
    /// <param name="cancellationToken">Ends the wait for the API server.</param>
    /// <exception cref="AgentException">An agent failed in a way that may pass: the status says so, and the queue
    /// retries.</exception>
    public async Task<ReconcileResult> AttemptAsync<TClaim, TStatus>(
        TClaim claim,
        TStatus? stored,
        IClaimReport<TStatus> report,
        Func<Task<TStatus>> attempt,
        CancellationToken cancellationToken)
        where TClaim : class, IKubernetesObject<V1ObjectMeta>
        where TStatus : class
    {
        if (!claim.HasFinalizer(WellKnown.CheckpointFinalizer))
        {
            await cluster.AddFinalizerAsync(claim, WellKnown.CheckpointFinalizer, cancellationToken);
            return ReconcileResult.Done;
        }

        TStatus next;
        ExceptionDispatchInfo? retried = null;
        try
        {
            next = await attempt();
        }
        catch (Exception exception) when (Failures.TerminalReasonOf(exception) is { } reason)
        {
            next = report.Failed(reason, exception.Message);
        }
        catch (AgentException exception)
        {
            // It is tried again, for as long as it takes: so that it can be seen what it waits for.
            next = report.Waiting(exception.Reason, exception.Message);
            retried = ExceptionDispatchInfo.Capture(exception);
        }

        await cluster.PatchStatusAsync(claim, stored, next, cancellationToken);
        events.RecordChanges(claim, stored is null ? null : report.ConditionsOf(stored), report.ConditionsOf(next));
        retried?.Throw();
        return new ReconcileResult(report.IsSettled(next) ? null : Resync);
    }

    /// <summary>Whether a claim that is being deleted must stay for now; an event tells its owner why.</summary>
    /// <param name="claim">The claim.</param>
    /// <param name="why">Who needs its bytes; null: nobody does.</param>
    public bool ReportIfHeld(IKubernetesObject<V1ObjectMeta> claim, string? why)
    {
        if (why is not null)
        {
            events.Record(claim, "Warning", Reasons.InUse, why);
        }

        return why is not null;
    }

    /// <summary>Lets a claim that is being deleted go, after the content that goes with it.</summary>
    /// <param name="claim">The claim.</param>
    /// <param name="content">The content that is deleted with it; null: there is none any more, or it is
    /// retained.</param>
    /// <param name="cancellationToken">Ends the wait for the API server.</param>
    public async Task ReleaseAsync<TClaim, TContent>(
        TClaim claim, TContent? content, CancellationToken cancellationToken)
        where TClaim : class, IKubernetesObject<V1ObjectMeta>
        where TContent : class, IKubernetesObject<V1ObjectMeta>
    {
        if (content is null)
        {
            await cluster.RemoveFinalizerAsync(claim, WellKnown.CheckpointFinalizer, CancellationToken.None);
        }
        else if (content.Metadata.DeletionTimestamp is null)
        {
            // Its own reconciler removes the bytes, then the object, whose end has the claim reconciled again.
            await cluster.DeleteAsync(content, graceSeconds: null, cancellationToken);
        }
    }
}
