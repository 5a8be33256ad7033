namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>One at a time for each key, in the order in which they come; keys do not wait for each other.</summary>
internal sealed class KeyedLock<TKey>
    where TKey : notnull
{
    private readonly Dictionary<TKey, Task> _last = [];

    /// <summary>Runs something when those that came before it with the same key have ended.</summary>
    public Task<T> RunAsync<T>(TKey key, Func<Task<T>> work) => RunAsync(key, work, CancellationToken.None);

    /// <summary>Runs something when those that came before it with the same key have ended.</summary>
    /// <param name="key">Whose turn it is.</param>
    /// <param name="work">What is run.</param>
    /// <param name="cancellationToken">Ends the wait for those before, and nothing else.</param>
    public Task RunAsync(TKey key, Func<Task> work, CancellationToken cancellationToken) => RunAsync(
        key,
        async () =>
        {
            await work();
            return true;
        },
        cancellationToken);

    /// <summary>Runs something when those that came before it with the same key have ended.</summary>
    /// <param name="key">Whose turn it is.</param>
    /// <param name="work">What is run.</param>
    /// <param name="cancellationToken">Ends the wait for those before, and nothing else.</param>
    public async Task<T> RunAsync<T>(TKey key, Func<Task<T>> work, CancellationToken cancellationToken)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task before;
        lock (_last)
        {
            before = _last.GetValueOrDefault(key, Task.CompletedTask);
            _last[key] = ended.Task;
        }

        try
        {
            await before.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Who comes next still waits for those before.
            _ = before.ContinueWith(_ => End(key, ended), TaskScheduler.Default);
            throw;
        }

        try
        {
            return await work();
        }
        finally
        {
            End(key, ended);
        }
    }

    private void End(TKey key, TaskCompletionSource ended)
    {
        lock (_last)
        {
            if (_last[key] == ended.Task)
            {
                _last.Remove(key);
            }
        }

        ended.SetResult();
    }
}
