using System.Collections.Concurrent;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Manager.Agents;

/// <summary>Calls to agents that outlive the reconcile that began them.</summary>
/// <remarks>
/// A reconcile never waits for an agent: it begins the call under a key, returns, and is woken when the call has ended;
/// the next run finds the result here. Nothing is lost with the process: every call is idempotent by its key, so the
/// next operator begins it again and the agent joins the operation under way or answers from what stands on its disk.
/// </remarks>
internal sealed class PendingCalls(TaskScheduler scheduler, ILeadership leadership, CancellationToken stopping)
{
    private readonly ConcurrentDictionary<string, Task> _calls = new();

    /// <summary>The result of a call, begun at the first time of asking; null while it is under way.</summary>
    /// <param name="key">Says which call it is; the same key never stands for two different calls.</param>
    /// <param name="call">Begins the call.</param>
    /// <param name="requeue">Is run when the call has ended, however it ended.</param>
    /// <returns>The result, kept until <see cref="Forget"/>; null while the call is under way.</returns>
    /// <exception cref="AgentException">The call failed. The failure is told once; asking
    /// again begins a new call.</exception>
    public TResult? Ask<TResult>(string key, Func<CancellationToken, Task<TResult>> call, Action requeue)
        where TResult : class
    {
        var task = (Task<TResult>)_calls.GetOrAdd(key, _ => Begin(call, requeue));
        if (!task.IsCompleted)
        {
            return null;
        }

        if (!task.IsCompletedSuccessfully)
        {
            _calls.TryRemove(KeyValuePair.Create<string, Task>(key, task));
        }

        // An operator that ends has not failed at what it was about.
        return task.IsCanceled && stopping.IsCancellationRequested ? null : task.GetAwaiter().GetResult();
    }

    /// <summary>The result of a call to whichever agent answers: see <see cref="AnyAgent.AskAnyAsync"/> and the other
    /// <see cref="Ask"/>.</summary>
    public TResult? AskAny<TResult>(
        string key,
        IAgentDirectory agents,
        string? first,
        Func<ICheckpointAgent, CancellationToken, Task<TResult>> call,
        Action requeue)
        where TResult : class =>
        Ask(key, t => agents.AskAnyAsync(first, leadership, agent => call(agent, t)), requeue);

    /// <summary>The result of a call that has ended well; begins none.</summary>
    public TResult? Known<TResult>(string key)
        where TResult : class =>
        _calls.TryGetValue(key, out var task)
            && task is Task<TResult> { IsCompletedSuccessfully: true } done ? done.Result : null;

    /// <summary>Whether a call has been begun here and not ended.</summary>
    public bool IsUnderWay(string key) => _calls.TryGetValue(key, out var task) && !task.IsCompleted;

    /// <summary>Forgets the calls whose key begins so: what has finished, and what is under way, when it has.</summary>
    public void Forget(string keyPrefix)
    {
        foreach (var pair in _calls.Where(c => c.Key.StartsWith(keyPrefix, StringComparison.Ordinal)))
        {
            if (pair.Value.IsCompleted)
            {
                _calls.TryRemove(pair);
            }
            else
            {
                _ = pair.Value.ContinueWith(
                    _ => _calls.TryRemove(pair), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                    TaskScheduler.Default);
            }
        }
    }

    private Task<TResult> Begin<TResult>(Func<CancellationToken, Task<TResult>> call, Action requeue)
    {
        // Not on the caller's thread: GetOrAdd may run this more than once, but only for one key at a time, and a key
        // belongs to one object, which has one worker.
        Reaction.Acts();
        var task = Task.Factory.StartNew(
            () =>
            {
                leadership.ThrowIfNotLeading();
                return call(stopping);
            },
            CancellationToken.None, TaskCreationOptions.DenyChildAttach, scheduler).Unwrap();
        _ = task.ContinueWith(
            _ => requeue(),
            CancellationToken.None,
            TaskContinuationOptions.None,
            scheduler);
        return task;
    }
}
