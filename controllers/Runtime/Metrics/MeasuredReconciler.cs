namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Measures the runs of a reconciler.</summary>
/// <param name="inner">The reconciler.</param>
/// <param name="controller">What its runs are counted under.</param>
/// <param name="time">Tells how long they take.</param>
/// <param name="queue">Tells since when a run has been due; null where that is not measured.</param>
public sealed class MeasuredReconciler(
    IReconciler inner, string controller, TimeProvider time, WorkQueue? queue = null) : IReconciler
{
    /// <inheritdoc/>
    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var how = "error";
        RuntimeMetrics.ActiveWorkers.Move(1, controller);
        Reaction.Begin(controller, queue is null ? began : queue.DueAt(key), time);
        try
        {
            var result = await inner.ReconcileAsync(key, cancellationToken).ConfigureAwait(false);
            how = result.RequeueAfter is null ? "success" : "requeue_after";
            return result;
        }
        catch (TerminalException)
        {
            how = "terminal";
            throw;
        }
        catch (ConflictException)
        {
            how = "conflict";
            throw;
        }
        catch (OperationCanceledException exception)
            when (exception is NotLeadingException || cancellationToken.IsCancellationRequested)
        {
            how = "";
            throw;
        }
        finally
        {
            RuntimeMetrics.ActiveWorkers.Move(-1, controller);
            RuntimeMetrics.ReconcileErrors.Add(how == "error" ? 1 : 0, controller);
            // A run that ends with the process, or its leadership, has not ended in any way.
            if (how.Length > 0)
            {
                RuntimeMetrics.Reconciles.Count(controller, how);
                RuntimeMetrics.ReconcileTime.Record(time.GetElapsedTime(began).TotalSeconds, controller);
            }
        }
    }
}
