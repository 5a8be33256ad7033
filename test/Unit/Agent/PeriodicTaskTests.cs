using FluentAssertions;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What the agent does again and again.</summary>
public sealed class PeriodicTaskTests
{
    [Test]
    public async Task One_that_hangs_at_the_volume_does_not_hold_the_end_of_the_agent()
    {
        using var task = new Hanging(new HandTime());
        await task.StartAsync(CancellationToken.None);
        await task.Begun.Task.WaitAsync(TimeSpan.FromMinutes(2));

        // As the host does, when the process is to end.
        await task.StopAsync(CancellationToken.None).WaitAsync(TimeSpan.FromMinutes(2));

        task.ExecuteTask!.IsCompleted.Should().BeTrue();
    }

    private sealed class Hanging(TimeProvider time)
        : PeriodicTask("hang", TimeSpan.FromSeconds(1), atOnce: true, time, NullLogger.Instance)
    {
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override Task DoAsync(CancellationToken cancellationToken)
        {
            Begun.SetResult();
            return new TaskCompletionSource().Task;
        }
    }
}
