namespace PodCheckpointing.Simulation;

/// <summary>A clock that moves when it is told to; timers fire in the order of their times.</summary>
internal sealed class VirtualTime : TimeProvider
{
    private readonly List<Timer> _timers = [];
    private DateTimeOffset _now = new(2026, 11, 21, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public DateTimeOffset? Next => _timers.Count == 0 ? null : _timers.Min(t => t.At);

    public override DateTimeOffset GetUtcNow() => _now;

    public override long GetTimestamp() => _now.Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, callback, state, _now + dueTime);
        _timers.Add(timer);
        return timer;
    }

    /// <summary>Moves the clock and fires what is due.</summary>
    public void Advance(TimeSpan by)
    {
        _now += by;
        foreach (var timer in _timers.Where(t => t.At <= _now).OrderBy(t => t.At).ToList())
        {
            if (_timers.Remove(timer))
            {
                timer.Callback(timer.State);
            }
        }
    }

    private sealed record Timer(VirtualTime Time, TimerCallback Callback, object? State, DateTimeOffset At) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

        public void Dispose() => Time._timers.RemoveAll(t => ReferenceEquals(t, this));

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
