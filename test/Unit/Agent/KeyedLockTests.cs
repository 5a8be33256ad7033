using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Checkpoints;

namespace PodCheckpointing.Unit.Agent;

public sealed class KeyedLockTests
{
    private readonly KeyedLock<string> _pods = new();

    [Test]
    public async Task Keys_do_not_wait_for_each_other()
    {
        var slow = new TaskCompletionSource<int>();
        var first = _pods.RunAsync("a", () => slow.Task);

        (await _pods.RunAsync("b", () => Task.FromResult(2))).Should().Be(2);

        slow.SetResult(1);
        (await first).Should().Be(1);
    }

    [Test]
    public async Task Who_gives_up_waiting_is_not_run_and_lets_nobody_past_those_before()
    {
        var slow = new TaskCompletionSource<int>();
        var first = _pods.RunAsync("a", () => slow.Task);
        using var patience = new CancellationTokenSource();
        var ran = new List<string>();
        var second = _pods.RunAsync("a", () => Run("second"), patience.Token);
        var third = _pods.RunAsync("a", () => Run("third"));

        await patience.CancelAsync();

        await FluentActions.Awaiting(() => second).Should().ThrowAsync<OperationCanceledException>();
        ran.Should().BeEmpty();
        slow.SetResult(1);
        await third;
        ran.Should().Equal("third");
        await first;

        Task<int> Run(string who)
        {
            ran.Add(who);
            return Task.FromResult(0);
        }
    }
}
