using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>Calls to the volume, each on a thread of its own and waited for no longer than that: one that hangs must
/// not look like an agent that has gone.</summary>
internal sealed class StoreCalls(TimeProvider time) : IDisposable
{
    /// <summary>How long the volume may take to answer a question.</summary>
    public static readonly TimeSpan Question = TimeSpan.FromSeconds(8);

    /// <summary>How long it may take to remove a checkpoint, before it is asked once more.</summary>
    public static readonly TimeSpan Removal = TimeSpan.FromSeconds(30);

    /// <summary>A thread that asks a volume that hangs is lost until it answers: so many, and no more.</summary>
    private readonly SemaphoreSlim _questions = new(8);

    /// <summary>And these beside them: many removals at once must not look like a volume that answers nobody.</summary>
    private readonly SemaphoreSlim _removals = new(4);

    public void Dispose()
    {
        _questions.Dispose();
        _removals.Dispose();
    }

    /// <summary>Removes something from the volume.</summary>
    /// <param name="remove">Removes it, and runs what it is given when nobody else can any more.</param>
    /// <param name="cancellationToken">Ends the wait, and nothing else.</param>
    /// <exception cref="StoreInUseException">It takes its time, and goes on.</exception>
    /// <exception cref="TimeoutException">The volume has not answered in time.</exception>
    public async Task<T> RemoveAsync<T>(Func<Action, T> remove, CancellationToken cancellationToken)
    {
        var hasBegun = false;
        try
        {
            return await WithinAsync(
                Removal, _removals, () => remove(() => Volatile.Write(ref hasBegun, true)), cancellationToken);
        }
        catch (TimeoutException exception) when (Volatile.Read(ref hasBegun))
        {
            throw new StoreInUseException(
                $"its removal has been under way for {Removal.TotalSeconds:0} s, and goes on", exception);
        }
    }

    /// <summary>Asks the volume a question.</summary>
    /// <exception cref="TimeoutException">It has not answered in time; what was begun goes on.</exception>
    public Task<T> AskAsync<T>(Func<T> ask, CancellationToken cancellationToken) =>
        WithinAsync(Question, _questions, ask, cancellationToken);

    /// <summary>Has the volume do what takes long, as a look through all checkpoints.</summary>
    /// <exception cref="TimeoutException">It has not been done in time; what was begun goes on.</exception>
    public Task<T> WorkAsync<T>(Func<T> work, CancellationToken cancellationToken) =>
        WithinAsync(Removal, _removals, work, cancellationToken);

    private async Task<T> WithinAsync<T>(
        TimeSpan limit, SemaphoreSlim askers, Func<T> ask, CancellationToken cancellationToken)
    {
        // Who need not wait is not told that he has waited for too long.
        if (!askers.Wait(TimeSpan.Zero, cancellationToken))
        {
            using var patience = new CancellationTokenSource(limit, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
            try
            {
                await askers.WaitAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException("it does not answer");
            }
        }

        // A thread of its own: it may stay in the kernel for as long as the server does not answer.
        var asking =
            Task.Factory.StartNew(ask, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        _ = asking.ContinueWith(
            _ => askers.Release(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
        try
        {
            return await asking.WaitAsync(limit, time, cancellationToken);
        }
        catch (TimeoutException) when (!asking.IsCompleted)
        {
            throw new TimeoutException($"it has not answered for {limit.TotalSeconds:0} s");
        }
    }
}
