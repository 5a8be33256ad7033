using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace PodCheckpointing.Runtime;

/// <summary>Brings the world closer to what one object says.</summary>
public interface IReconciler
{
    /// <summary>One run for one object, which may be gone. Waiting is a return, failing an exception.</summary>
    Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken);
}

/// <summary>How a run ended.</summary>
/// <param name="RequeueAfter">When to run again without an event; null for never.</param>
public readonly record struct ReconcileResult(TimeSpan? RequeueAfter)
{
    /// <summary>Nothing to do until something happens.</summary>
    public static ReconcileResult Done => default;
}

/// <summary>A failure that another attempt cannot mend: someone must change the object first.</summary>
public sealed class TerminalException(
    string reason, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>A CamelCase word for <c>status.conditions[].reason</c>.</summary>
    public string Reason { get; } = reason;
}

/// <summary>The object has changed since it was read: the run is void, the next one sees the change.</summary>
public sealed class ConflictException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Runs a reconciler for every key of its queue.</summary>
public sealed class Controller(
    string name,
    WorkQueue queue,
    IReconciler reconciler,
    IReadOnlyList<IInformer> informers,
    ILeadership leadership,
    int workers,
    ILogger logger) : BackgroundService
{
    /// <summary>So many stale reads in a row are no coincidence.</summary>
    private const int TooOften = 100;

    private readonly ConcurrentDictionary<ObjectKey, int> _conflicts = new();

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.WhenAll(informers.Select(i => i.Synced)).WaitAsync(stoppingToken).ConfigureAwait(false);
        await leadership.Acquired.WaitAsync(stoppingToken).ConfigureAwait(false);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, leadership.Lost);
        try
        {
            await Task.WhenAll(Enumerable.Range(0, workers).Select(_ => WorkAsync(either.Token))).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (leadership.Lost.IsCancellationRequested)
        {
            // Somebody else goes on.
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        // Its timers would run what they lead to, which is disposed of as well.
        queue.Dispose();
        base.Dispose();
    }

    /// <summary>The change that was missed is an event on its way; a watch that has died must
    /// not make this a hot loop.</summary>
    internal static TimeSpan DelayAfterConflict(int times) =>
        TimeSpan.FromMilliseconds(Math.Min(1000, 20 << Math.Min(times - 1, 6)));

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var key = await queue.GetAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                var result = await reconciler.ReconcileAsync(key, cancellationToken).ConfigureAwait(false);
                queue.Forget(key);
                _conflicts.TryRemove(key, out _);
                if (result.RequeueAfter is { } delay)
                {
                    queue.AddAfter(key, delay);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (NotLeadingException)
            {
                // The word that it is lost is on its way; or the Lease is renewed yet.
                queue.AddRateLimited(key);
            }
            catch (TerminalException exception)
            {
                RuntimeLog.Terminal(logger, name, key.ToString(), exception.Reason, exception.Message);
                queue.Forget(key);
            }
            catch (ConflictException)
            {
                RuntimeLog.Conflict(logger, name, key.ToString());
                var times = _conflicts.AddOrUpdate(key, 1, (_, n) => n + 1);
                if (times % TooOften == 0)
                {
                    RuntimeLog.Behind(logger, name, key.ToString(), times);
                }

                queue.AddAfter(key, DelayAfterConflict(times));
            }
            catch (Exception exception)
            {
                RuntimeLog.ReconcileFailed(logger, exception, name, key.ToString());
                queue.AddRateLimited(key);
            }
            finally
            {
                queue.Done(key);
            }
        }
    }
}
