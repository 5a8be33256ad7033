using FluentAssertions;
using Microsoft.Extensions.Logging;
using NUnit.Framework;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Runtime;

public sealed class ControllerTests
{
    [Test]
    public void Conflicts_in_a_row_wait_longer_up_to_a_second()
    {
        var delays = Enumerable.Range(1, 40).Select(n => Controller.DelayAfterConflict(n).TotalMilliseconds).ToList();
        delays.Should().BeInAscendingOrder().And.StartWith([20, 40, 80]).And.EndWith(1000.0);
    }

    [Test]
    public async Task Who_learns_within_a_run_that_he_does_not_lead_tries_again_and_tells_no_failure()
    {
        using var queue = new WorkQueue(TimeProvider.System);
        var (leader, log) = (new Leader(), new Lines());
        using var controller = new Controller("Test", queue, leader, [], leader, workers: 1, log);
        queue.Add(new ObjectKey("n", "o"));

        await controller.StartAsync(CancellationToken.None);
        await leader.Done.Task.WaitAsync(TimeSpan.FromMinutes(2));
        await controller.StopAsync(CancellationToken.None);

        log.Told.Should().BeEmpty();
    }

    [Test]
    public void What_is_due_later_does_not_come_when_the_process_ends()
    {
        var time = new HandTime();
        using var queue = new WorkQueue(time, isNew: _ => throw new ObjectDisposedException("the operator's services"));
        var leader = new Leader();
        var controller = new Controller("Test", queue, leader, [], leader, workers: 1, new Lines());
        queue.AddAfter(new ObjectKey("n", "o"), TimeSpan.FromSeconds(3));

        controller.Dispose();

        time.Invoking(t => t.Advance(TimeSpan.FromSeconds(4))).Should().NotThrow("nobody would catch it");
    }

    /// <summary>Is late with one renewal of its Lease.</summary>
    private sealed class Leader : ILeadership, IReconciler
    {
        private int _runs;

        public TaskCompletionSource Done { get; } = new();

        public Task Acquired => Task.CompletedTask;

        public CancellationToken Lost => CancellationToken.None;

        public bool Leads => _runs > 1;

        public Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
        {
            _runs++;
            ((ILeadership)this).ThrowIfNotLeading();
            Done.SetResult();
            return Task.FromResult(ReconcileResult.Done);
        }
    }

    private sealed class Lines : ILogger
    {
        public List<string> Told { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter) =>
            Told.Add(formatter(state, exception));
    }
}
