using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Health;
using PodCheckpointing.Storage;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Agent;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
internal sealed class ReadinessTests
{
    private readonly HandTime _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _asked = new(0);
    private readonly List<string?> _told = [];
    private TaskCompletionSource<string?> _answer = new();
    private ReadinessCheck _check = null!;
    private Task _running = null!;

    [SetUp]
    public void Start()
    {
        _check = new ReadinessCheck("the thing", _ =>
        {
            _answer = new TaskCompletionSource<string?>();
            _asked.Release();
            return _answer.Task;
        }, _time);
        _running = _check.RunAsync(_told.Add, _stop.Token);
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        _answer.TrySetResult(null);
        await _running.ContinueWith(_ => { }, TaskScheduler.Default);
        _stop.Dispose();
        _asked.Dispose();
    }

    [Test]
    public async Task What_does_not_answer_keeps_nobody_waiting_and_is_known_by_that()
    {
        await _asked.WaitAsync();
        _check.Fault.Should().Be("the thing has not answered yet");
        _answer.SetResult(null);
        _check.Fault.Should().BeNull();

        _time.Advance(ReadinessCheck.Period);
        await _asked.WaitAsync();
        _check.Fault.Should().BeNull("it is asked again, and has some time");
        _time.Advance(ReadinessCheck.Limit);
        _check.Fault.Should().Be("the thing has not answered for 90 s");

        _answer.SetResult(null);
        _check.Fault.Should().BeNull();
    }

    [Test]
    public async Task What_is_wrong_is_asked_for_again_soon_and_told_once()
    {
        foreach (var answer in new[] { "it is broken", "it is broken", null })
        {
            await _asked.WaitAsync();
            _answer.SetResult(answer);
            _check.Fault.Should().Be(answer);
            _time.Advance(ReadinessCheck.Impatience);
        }

        _told.Should().Equal("it is broken", null);
    }

    [Test]
    public async Task The_end_waits_for_no_answer()
    {
        await _asked.WaitAsync();

        await _stop.CancelAsync();

        await _running.ContinueWith(_ => { }, TaskScheduler.Default).WaitAsync(Wait.Patience);
        _answer.Task.IsCompleted.Should().BeFalse();
    }

    [Test]
    public async Task An_error_is_a_fault_and_no_end()
    {
        await _asked.WaitAsync();
        _answer.SetException(new InvalidOperationException("no such thing"));
        _check.Fault.Should().Be("the thing: no such thing");
        _time.Advance(ReadinessCheck.Impatience);
        await _asked.WaitAsync();
    }

    [Test]
    public void A_volume_is_written_and_left_as_it_was()
    {
        var root = Directory.CreateTempSubdirectory("pod-checkpointing-ready").FullName;
        using var marks = new StoreMarks(root, TimeProvider.System);
        Readiness.AskVolume(marks, root).Should().BeNull();
        Directory.EnumerateFileSystemEntries(root).Should().BeEmpty();

        Directory.Delete(root);
        Readiness.AskVolume(marks, root).Should().StartWith($"the volume at {root} cannot be written: ");
    }
}
