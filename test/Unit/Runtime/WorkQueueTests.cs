using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Runtime;

public sealed class WorkQueueTests
{
    private static readonly ObjectKey Key = new("ns", "a");

    [Test]
    public async Task A_waiting_key_is_there_once()
    {
        using var queue = new WorkQueue(TimeProvider.System);
        queue.Add(Key);
        queue.Add(Key);
        (await queue.TakeAsync(CancellationToken.None)).Should().Be(Key);
        queue.Done(Key);
        queue.Count.Should().Be(0);
    }

    [Test]
    public async Task A_key_added_while_it_is_worked_on_runs_once_more_afterwards()
    {
        using var queue = new WorkQueue(TimeProvider.System);
        queue.Add(Key);
        await queue.TakeAsync(CancellationToken.None);
        queue.Add(Key);
        queue.Count.Should().Be(0, "one key has one worker");
        queue.Done(Key);
        queue.Count.Should().Be(1);
    }

    [Test]
    public void Later_comes_when_its_time_has_come_and_of_two_times_the_earlier_counts()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.AddAfter(Key, TimeSpan.FromSeconds(10));
        queue.AddAfter(Key, TimeSpan.FromSeconds(2));
        queue.AddAfter(Key, TimeSpan.FromSeconds(5));
        time.Advance(TimeSpan.FromSeconds(1.9));
        queue.Count.Should().Be(0);
        time.Advance(TimeSpan.FromSeconds(0.2));
        queue.Count.Should().Be(1);
    }

    [Test]
    public void Failures_wait_longer_each_time_until_they_are_forgotten()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time);
        queue.AddAfterFailure(Key);
        time.Advance(TimeSpan.FromSeconds(0.5));
        queue.Count.Should().Be(1);
        var other = new ObjectKey("ns", "b");
        queue.AddAfterFailure(other);
        time.Advance(TimeSpan.FromSeconds(0.5));
        queue.AddAfterFailure(other);
        time.Advance(TimeSpan.FromSeconds(0.9));
        queue.Count.Should().Be(2, "the second wait is twice the first, and what waits already counts once");
    }

    /// <summary>A clock that moves by hand.</summary>
    private sealed class HandTime : TimeProvider
    {
        private readonly List<HandTimer> _timers = [];
        private DateTimeOffset _now = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => _now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new HandTimer(() => callback(state), _now + dueTime);
            _timers.Add(timer);
            return timer;
        }

        public void Advance(TimeSpan by)
        {
            _now += by;
            foreach (var timer in _timers.Where(t => t.Due <= _now).ToList())
            {
                _timers.Remove(timer);
                timer.Fire();
            }
        }

        private sealed class HandTimer(Action fire, DateTimeOffset due) : ITimer
        {
            private bool _disposed;

            public DateTimeOffset Due { get; } = due;

            public void Fire()
            {
                if (!_disposed)
                {
                    fire();
                }
            }

            public bool Change(TimeSpan dueTime, TimeSpan period) => throw new NotSupportedException();

            public void Dispose() => _disposed = true;

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
