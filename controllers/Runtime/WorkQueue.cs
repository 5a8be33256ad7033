using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Runtime;

/// <summary>Keys that wait for a worker: each at most once, and never with two workers at a time.</summary>
/// <remarks>The algorithm of client-go's workqueue: queued, dirty while it is being processed, done.</remarks>
/// <param name="time">Tells how long waits are; what the clock shows does not matter.</param>
/// <param name="longestDelay">The longest wait after a failure; null for five minutes.</param>
/// <param name="name">What it is measured under; null for a queue that is not.</param>
/// <param name="isNew">Whether nothing has begun about a key: it comes after those about which something has, but for every
/// fourth turn, however many new ones come at once. Null: none is.</param>
/// <param name="mostNew">How many workers may have new keys at a time: the others are there for what has begun.</param>
public sealed class WorkQueue(
    TimeProvider time, TimeSpan? longestDelay = null, string? name = null, Func<ObjectKey, bool>? isNew = null, int mostNew = int.MaxValue)
    : IDisposable
{
    /// <summary>Of so many turns new keys have one: they wait long where much is under way, but not for ever.</summary>
    private const int TurnOfNew = 4;

    /// <summary>The first wait after a failure; it doubles with each one more.</summary>
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(500);

    /// <summary>Timers wait for 49.7 days at the most. Who is woken too early asks again.</summary>
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(49);

    private readonly TimeSpan _longestDelay = longestDelay ?? TimeSpan.FromMinutes(5);
    private readonly long _began = time.GetTimestamp();
    private readonly Lock _lock = new();
    private readonly Queue<ObjectKey> _ready = new();
    private readonly NewKeys _new = new(mostNew);
    private readonly Dictionary<ObjectKey, long> _queued = [];
    private readonly Dictionary<ObjectKey, (long DueAt, bool IsNew)> _processing = [];
    private readonly Dictionary<ObjectKey, int> _failures = [];
    private readonly Dictionary<ObjectKey, (TimeSpan At, ITimer Timer)> _later = [];
    private readonly SemaphoreSlim _available = new(0);
    private readonly QueueMetrics? _metrics = name is null ? null : new QueueMetrics(name, time);
    private int _turns;
    private bool _disposed;

    /// <summary>Keys that wait.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _ready.Count + _new.Count;
            }
        }
    }

    /// <summary>Asks for a run of a key. While it waits, once more changes nothing; while it runs, it runs once more.</summary>
    public void Add(ObjectKey key)
    {
        lock (_lock)
        {
            // What is still under way when the process ends may ask for another run.
            if (_disposed)
            {
                return;
            }

            if (!_queued.TryAdd(key, time.GetTimestamp()))
            {
                Advance(key);
                return;
            }

            _metrics?.Added(key);
            if (!_processing.ContainsKey(key))
            {
                Enqueue(key);
            }
        }
    }

    /// <summary>Since when the run of a key that is going on could have gone on, as the time provider's timestamp: since it was
    /// asked for, or since the end of the run before. Null for a new key, which waits for those that have begun.</summary>
    public long? DueAt(ObjectKey key)
    {
        lock (_lock)
        {
            return _processing.TryGetValue(key, out var run) ? run.IsNew ? null : run.DueAt : time.GetTimestamp();
        }
    }

    /// <summary>Asks for a run later; of two times the earlier counts.</summary>
    public void AddAfter(ObjectKey key, TimeSpan delay)
    {
        if (delay <= TimeSpan.Zero)
        {
            Add(key);
            return;
        }

        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            delay = delay < LongestTimer ? delay : LongestTimer;
            var at = time.GetElapsedTime(_began) + delay;
            if (_later.TryGetValue(key, out var planned))
            {
                if (planned.At <= at)
                {
                    return;
                }

                planned.Timer.Dispose();
            }

            _later[key] = (at, time.CreateTimer(_ => Due(key, at), null, delay, Timeout.InfiniteTimeSpan));
        }
    }

    /// <summary>Asks for another attempt after a failure, later with each one; it never gives up.</summary>
    /// <remarks>A run that an event asked for before the next attempt was due does not count when it fails, too: otherwise
    /// a burst of events during a short outage would put the next attempt off by minutes.</remarks>
    public void AddAfterFailure(ObjectKey key)
    {
        lock (_lock)
        {
            var failures = _failures.GetValueOrDefault(key) + 1;
            var delay = TimeSpan.FromTicks(Math.Min(_longestDelay.Ticks, FirstDelay.Ticks << Math.Min(failures - 1, 20)));
            if (_later.TryGetValue(key, out var planned) && planned.At <= time.GetElapsedTime(_began) + delay)
            {
                return;
            }

            _failures[key] = failures;
            _metrics?.Retried();
            AddAfter(key, delay);
        }
    }

    /// <summary>Forgets a key's failures.</summary>
    public void Forget(ObjectKey key)
    {
        lock (_lock)
        {
            _failures.Remove(key);
        }
    }

    /// <summary>The next key; <see cref="Done"/> must follow.</summary>
    public async Task<ObjectKey> TakeAsync(CancellationToken cancellationToken)
    {
        await _available.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            var turnOfNew = ++_turns % TurnOfNew == 0 && _new.MayTake;
            var hasBegun = !turnOfNew && _ready.Count > 0;
            var key = hasBegun ? _ready.Dequeue() : _new.Take();
            _queued.Remove(key, out var at);
            _processing.Add(key, (at, !hasBegun));
            _metrics?.Taken(key);
            return key;
        }
    }

    /// <summary>The worker is through with a key.</summary>
    public void Done(ObjectKey key)
    {
        lock (_lock)
        {
            if (_processing.Remove(key, out var run) && run.IsNew)
            {
                Offer(_new.Done());
            }

            _metrics?.Done(key);
            if (!_disposed && _queued.ContainsKey(key))
            {
                _queued[key] = time.GetTimestamp();
                Enqueue(key);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (var (_, timer) in _later.Values)
            {
                timer.Dispose();
            }

            _later.Clear();
        }

        _available.Dispose();
        _metrics?.Dispose();
    }

    private void Enqueue(ObjectKey key)
    {
        if (isNew?.Invoke(key) == true)
        {
            Offer(_new.Add(key));
            return;
        }

        _ready.Enqueue(key);
        _available.Release();
    }

    /// <summary>A new key that waits, and is not new any more, waits no longer than others.</summary>
    private void Advance(ObjectKey key)
    {
        if (_new.Holds(key) && isNew!(key) == false)
        {
            _queued[key] = time.GetTimestamp();
            _ready.Enqueue(key);
            Offer(_new.Remove(key) ? 0 : 1);
        }
    }

    /// <summary>For each key that may be taken, a worker may go on.</summary>
    private void Offer(int keys)
    {
        if (keys > 0)
        {
            _available.Release(keys);
        }
    }

    private void Due(ObjectKey key, TimeSpan at)
    {
        lock (_lock)
        {
            // A timer that fires while another one takes its place must not take that one away.
            if (_later.TryGetValue(key, out var planned) && planned.At == at)
            {
                _later.Remove(key);
                planned.Timer.Dispose();
                Add(key);
            }
        }
    }
}
