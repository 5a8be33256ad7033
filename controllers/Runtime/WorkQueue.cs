using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Runtime;

/// <summary>Keys that wait for a worker: each at most once, and never with two workers at a time.</summary>
/// <remarks>The algorithm of client-go's workqueue: queued, dirty while it is being processed, done.</remarks>
/// <param name="time">Tells how long waits are; what the clock shows does not matter.</param>
/// <param name="longestDelay">The longest wait after a failure; null for five minutes.</param>
/// <param name="name">What it is measured under; null for a queue that is not.</param>
/// <param name="isNew">Whether work on a key has not started. Such keys yield to those whose work has, except that
/// every fourth turn goes to one of them. Null: no key is new.</param>
/// <param name="mostNew">How many workers may have new keys at a time: the others are there for what has begun.</param>
public sealed class WorkQueue(
    TimeProvider time, TimeSpan? longestDelay = null, string? name = null, Func<ObjectKey, bool>? isNew = null,
    int mostNew = int.MaxValue)
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

    /// <summary>The keys that wait for a worker, in the order of their coming: those about which something has begun,
    /// and the new ones. A key is in one of the two lines, or in none.</summary>
    private readonly LinkedList<ObjectKey> _begun = new();
    private readonly LinkedList<ObjectKey> _new = new();

    /// <summary>The keys that a run is asked for: since when, and where they wait; nowhere while a run of theirs goes
    /// on.</summary>
    private readonly Dictionary<ObjectKey, (long Since, LinkedListNode<ObjectKey>? Place)> _dirty = [];
    private readonly Dictionary<ObjectKey, (long DueAt, bool IsNew)> _processing = [];
    private readonly Dictionary<ObjectKey, int> _failures = [];
    private readonly Dictionary<ObjectKey, (TimeSpan At, ITimer Timer)> _later = [];

    /// <summary>Has a worker go on for each key that it may take.</summary>
    private readonly SemaphoreSlim _available = new(0);
    private readonly QueueMetrics? _metrics = name is null ? null : new QueueMetrics(name, time);
    private int _offered;
    private int _turns;
    private bool _disposed;

    /// <summary>Keys that wait.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _begun.Count + _new.Count;
            }
        }
    }

    /// <summary>Asks for a run of a key. While it waits, once more changes nothing; while
    /// it runs, it runs once more.</summary>
    public void Add(ObjectKey key)
    {
        lock (_lock)
        {
            // What is still under way when the process ends may ask for another run.
            if (_disposed)
            {
                return;
            }

            if (_dirty.TryGetValue(key, out var waiting))
            {
                // A new key that waits, and is not new any more, waits no longer than others.
                if (waiting.Place?.List == _new && LineOf(key) == _begun)
                {
                    _new.Remove(waiting.Place);
                    Enqueue(key, _begun);
                }

                return;
            }

            _metrics?.Added(key);
            if (_processing.ContainsKey(key))
            {
                _dirty.Add(key, (time.GetTimestamp(), null));
            }
            else
            {
                Enqueue(key, LineOf(key));
            }
        }
    }

    /// <summary>When the run in progress could have started, as a TimeProvider timestamp: when it was requested, or
    /// when the key's previous run ended, whichever is later. Null for a new key, which is meant to wait.</summary>
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
    /// <remarks>A run that an event asked for before the next attempt was due does not count when it fails, too:
    /// otherwise a burst of events during a short outage would put the next attempt off by minutes.</remarks>
    public void AddRateLimited(ObjectKey key)
    {
        lock (_lock)
        {
            var failures = _failures.GetValueOrDefault(key) + 1;
            var delay = TimeSpan.FromTicks(
                Math.Min(_longestDelay.Ticks, FirstDelay.Ticks << Math.Min(failures - 1, 20)));
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
    public async Task<ObjectKey> GetAsync(CancellationToken cancellationToken)
    {
        await _available.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            _offered--;
            var turnOfNew = ++_turns % TurnOfNew == 0 && NewThatMayBeTaken > 0;
            var line = _begun.Count > 0 && !turnOfNew ? _begun : _new;
            var key = line.First!.Value;
            line.RemoveFirst();
            _dirty.Remove(key, out var waiting);
            _processing.Add(key, (waiting.Since, line == _new));
            _metrics?.Taken(key);
            return key;
        }
    }

    /// <summary>The worker is through with a key.</summary>
    public void Done(ObjectKey key)
    {
        lock (_lock)
        {
            _processing.Remove(key);
            _metrics?.Done(key);
            if (_disposed)
            {
                return;
            }

            if (_dirty.ContainsKey(key))
            {
                Enqueue(key, LineOf(key));
            }

            // Where its run was of a new key, another one may follow.
            Offer();
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

    private int NewThatMayBeTaken =>
        Math.Min(_new.Count, Math.Max(0, mostNew - _processing.Values.Count(run => run.IsNew)));

    private LinkedList<ObjectKey> LineOf(ObjectKey key) => isNew?.Invoke(key) == true ? _new : _begun;

    /// <summary>Puts a key into a line: from now on it could be taken.</summary>
    private void Enqueue(ObjectKey key, LinkedList<ObjectKey> line)
    {
        _dirty[key] = (time.GetTimestamp(), line.AddLast(key));
        Offer();
    }

    /// <summary>For each key that may be taken, and was not offered yet, a worker may go on.</summary>
    private void Offer()
    {
        var more = _begun.Count + NewThatMayBeTaken - _offered;
        if (more > 0)
        {
            _offered += more;
            _available.Release(more);
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
