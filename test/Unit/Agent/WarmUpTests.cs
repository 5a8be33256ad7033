using System.Collections.Concurrent;
using FluentAssertions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

public sealed class WarmUpTests : StoreFolder
{
    [Test]
    public async Task A_rehearsal_comes_to_its_end_and_leaves_nothing()
    {
        // As one that was killed has left it.
        File.WriteAllText(
            Path.Combine(Directory.CreateDirectory(Path.Combine(Out, ".rehearsal/store")).FullName, "left"), "");
        using var warmUp = new WarmUp(
            Options.Create(new AgentOptions { StateRoot = Out, StoreRoot = Root }), TimeProvider.System,
            NullLogger<WarmUp>.Instance);

        await warmUp.RehearseAsync(CancellationToken.None);

        Directory.EnumerateFileSystemEntries(Out).Should().BeEmpty();
        Directory.EnumerateFileSystemEntries(Root).Should().BeEmpty();
    }

    [Test]
    public async Task A_rehearsal_that_fails_leaves_nobody_who_waits_for_its_end()
    {
        // Taken away when somebody follows, and before anybody has written.
        var time = new FollowersTime(() => Directory.Delete(Path.Combine(Out, ".rehearsal", "store"), recursive: true));
        using var warmUp = new WarmUp(
            Options.Create(new AgentOptions { StateRoot = Out, StoreRoot = Root }), time, NullLogger<WarmUp>.Instance);

        await FluentActions.Awaiting(() => warmUp.RehearseAsync(CancellationToken.None))
            .Should().ThrowAsync<IOException>();

        Directory.EnumerateFileSystemEntries(Out).Should().BeEmpty();
        var over = time.Looks;
        time.Pass();
        time.Looks.Should().Be(over, "who follows would look again");
    }

    /// <summary>A clock that stands still, and tells of the first look of who follows.</summary>
    private sealed class FollowersTime(Action first) : TimeProvider
    {
        private readonly ConcurrentQueue<Action> _waiting = [];

        public int Looks => _waiting.Count;

        /// <summary>Lets everybody look who waits for it; who goes on then waits anew when this returns.</summary>
        public void Pass()
        {
            foreach (var look in _waiting.ToArray())
            {
                look();
            }
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var isFirst = _waiting.IsEmpty;
            _waiting.Enqueue(() => callback(state));
            if (isFirst)
            {
                first();
            }

            return base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }
}
