using System.Collections.Concurrent;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Measures one queue. Its methods are called under the queue's lock.</summary>
internal sealed class QueueMetrics : IDisposable
{
    private readonly string _name;
    private readonly TimeProvider _time;
    private readonly Dictionary<ObjectKey, long> _added = [];
    private readonly ConcurrentDictionary<ObjectKey, long> _taken = new();
    private readonly IDisposable[] _observed;

    public QueueMetrics(string name, TimeProvider time)
    {
        (_name, _time) = (name, time);
        // Seen at nothing from the start.
        RuntimeMetrics.QueueDepth.Move(0, name);
        RuntimeMetrics.QueueAdds.Add(0, name);
        RuntimeMetrics.QueueRetries.Add(0, name);
        _observed =
        [
            RuntimeMetrics.UnfinishedWork.From(() => [RuntimeMetrics.UnfinishedWork.Value(Running().Sum(), name)]),
            RuntimeMetrics.LongestRunning.From(
                () => [RuntimeMetrics.LongestRunning.Value(Running().DefaultIfEmpty().Max(), name)]),
        ];
    }

    public void Added(ObjectKey key)
    {
        _added[key] = _time.GetTimestamp();
        RuntimeMetrics.QueueAdds.Count(_name);
        RuntimeMetrics.QueueDepth.Move(1, _name);
    }

    public void Retried() => RuntimeMetrics.QueueRetries.Count(_name);

    public void Taken(ObjectKey key)
    {
        _taken[key] = _time.GetTimestamp();
        RuntimeMetrics.QueueDepth.Move(-1, _name);
        if (_added.Remove(key, out var since))
        {
            RuntimeMetrics.QueueDuration.Record(_time.GetElapsedTime(since).TotalSeconds, _name);
        }
    }

    public void Done(ObjectKey key)
    {
        if (_taken.TryRemove(key, out var since))
        {
            RuntimeMetrics.WorkDuration.Record(_time.GetElapsedTime(since).TotalSeconds, _name);
        }
    }

    public void Dispose()
    {
        foreach (var observed in _observed)
        {
            observed.Dispose();
        }
    }

    private IEnumerable<double> Running() => _taken.Values.Select(since => _time.GetElapsedTime(since).TotalSeconds);
}
