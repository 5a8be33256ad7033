namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>One at a time for each key, in the order in which they come; keys do not wait for each other.</summary>
internal sealed class KeyedLock<TKey>
    where TKey : notnull
{
    private readonly Dictionary<TKey, Task> _last = [];

    /// <summary>Runs something when those that came before it with the same key have ended.</summary>
    public async Task<T> RunAsync<T>(TKey key, Func<Task<T>> work)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task before;
        lock (_last)
        {
            before = _last.GetValueOrDefault(key, Task.CompletedTask);
            _last[key] = ended.Task;
        }

        await before;
        try
        {
            return await work();
        }
        finally
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
}
