namespace PodCheckpointing.Simulation;

/// <summary>Runs tasks on the caller's thread, one at a time, the next one chosen by the seed.</summary>
internal sealed class SeededScheduler(Random random) : TaskScheduler
{
    private readonly List<Task> _tasks = [];

    public int Count => _tasks.Count;

    public bool RunOne()
    {
        if (_tasks.Count == 0)
        {
            return false;
        }

        var index = random.Next(_tasks.Count);
        var task = _tasks[index];
        _tasks.RemoveAt(index);
        TryExecuteTask(task);
        return true;
    }

    /// <summary>The process has died: what it was about to do is never done.</summary>
    public void Clear() => _tasks.Clear();

    protected override void QueueTask(Task task) => _tasks.Add(task);

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => _tasks;
}
