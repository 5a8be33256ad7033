using System.Diagnostics;
using FluentAssertions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.TestKit;
using PodCheckpointing.Unit.Runtime;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>Who asks how far a restore has come is answered as soon as it has come that far, or further.</summary>
public sealed class RestoreWatchTests : StoreFolder
{
    private const string Target = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";

    [TestCase("Waiting", "waiting", "Waiting")]
    [TestCase("Waiting", "staged", "Staged")]
    [TestCase("Waiting", "claimed", "Restoring")]
    [TestCase("Waiting", "restored", "Restored")]
    [TestCase("Waiting", "failed", "Failed")]
    [TestCase("Restored", "restored", "Restored")]
    public async Task Answers_at_once_what_is_so_far_or_further(string until, string marker, string phase)
    {
        Given("c", marker);

        // While no time passes, what is not answered at once never is.
        var (states, _) = await WatchAsync(until, "c", time: new HandTime());

        states.Should().ContainSingle().Which.Phase.Should().Be(phase);
    }

    [TestCase("Restored", "claimed")]
    [TestCase("", "restored")]
    [TestCase("Waiting", null)]
    public async Task Waits_for_what_is_not_there_yet(string until, string? marker)
    {
        Given("c", marker);
        var (_, took) = await WatchAsync(until, "c", milliseconds: 50);
        took.Should().BeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(50));
    }

    [Test]
    public async Task Nobody_hears_that_a_container_runs_before_that_outlives_a_power_failure()
    {
        Given("c", "pid", $"{ProcessIdentity.Of(Environment.ProcessId)}\n");
        Given("c", "running", "1\n");
        Given("c", "pages");
        var pod = Path.Combine(Out, "restores", Target);
        var folder = Path.Combine(pod, "c");
        var watch = new RestoreWatch(Options.Create(new AgentOptions { StateRoot = Out }), TimeProvider.System);
        using var opened = new Opened(
            [Path.GetDirectoryName(pod)!, pod, folder, .. new[] { "running", "pages", "pid" }.Select(
                n => Path.Combine(folder, n))]);

        await watch.WatchAsync(Request("", "c"), CancellationToken.None);

        var seen = opened.Read();
        seen.Should().Contain([folder, pod, Path.GetDirectoryName(pod)!], "their names are synced").And.Contain(
            Path.Combine(folder, "pages"));
        foreach (var read in new[] { "running", "pid" })
        {
            seen.Count(s => s == Path.Combine(folder, read)).Should().BeGreaterThan(1, "it is read, and synced");
        }

        await watch.WatchAsync(Request("", "c"), CancellationToken.None);
        opened.Read().Should().NotContain(folder, "once is enough");
    }

    [TestCase("1 01234567-89ab-cdef-0123-456789abcdef 2\n", "1795327200000000000\n")]
    [TestCase("", "")]
    [TestCase(null, "1795327200000000000\n")]
    public async Task What_ran_before_the_node_booted_is_told_as_lost(string? process, string running)
    {
        // kubelet starts it afresh after the boot, and says no more than that it runs.
        Given("c", "restored");
        Given("c", "running", running);
        if (process is not null)
        {
            Given("c", "pid", process);
        }

        var (states, _) = await WatchAsync("", "c");

        states.Should().ContainSingle().Which.Should().Match<ContainerRestore>(
            s => s.Phase == "Failed" && s.Message.Contains("the node has booted since") && s.RunningAt == null);
    }

    [Test]
    public async Task That_nobody_came_in_time_counts_only_until_somebody_has_come()
    {
        Given("c", "late", "no checkpoint was staged within 100 s\n");
        (await WatchAsync("", "c", 0)).States.Should().ContainSingle().Which.Should().Match<ContainerRestore>(
            s => s.Phase == "Failed" && s.Message.Contains("within 100 s"));

        Given("c", "staged");

        (await WatchAsync("", "c", 0)).States
            .Should().ContainSingle().Which.Phase.Should().Be("Staged", "the next create takes it");
    }

    [Test]
    public async Task What_has_ended_since_it_was_let_run_is_told_so()
    {
        using var process = Process.Start("sleep", "1000");
        Given("c", "pid", $"{ProcessIdentity.Of(process.Id)}\n");
        Given("c", "running", "1795327200000000000\n");
        var (states, _) = await WatchAsync("", "c");
        states.Should().ContainSingle().Which.Should().Match<ContainerRestore>(
            s => s.Phase == "Running" && !s.Ended && s.RunningAt.Seconds == 1795327200);

        process.Kill();
        await process.WaitForExitAsync();

        (states, _) = await WatchAsync("", "c");
        states.Should().ContainSingle().Which.Should().Match<ContainerRestore>(s => s.Phase == "Running" && s.Ended);
    }

    [Test]
    public void What_an_agent_before_has_shown_to_everybody_is_shown_no_more()
    {
        Directory.CreateDirectory(Path.Combine(Out, "restores"));

        PrivateFolder.Make(Path.Combine(Out, "restores"));

        File.GetUnixFileMode(Path.Combine(Out, "restores")).Should().Be(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static GetRestoreRequest Request(string until, string container, uint milliseconds = 60_000)
    {
        var request = new GetRestoreRequest { PodUid = Target, Until = until, WaitMilliseconds = milliseconds };
        request.ContainerNames.Add(container);
        return request;
    }

    private async Task<(IReadOnlyList<ContainerRestore> States, TimeSpan Took)> WatchAsync(
        string until, string container, uint milliseconds = 60_000, TimeProvider? time = null)
    {
        var watch = new RestoreWatch(Options.Create(new AgentOptions { StateRoot = Out }), time ?? TimeProvider.System);
        var request = Request(until, container, milliseconds);
        using var patience = new CancellationTokenSource(Wait.Patience);
        var began = Stopwatch.GetTimestamp();
        return (await watch.WatchAsync(request, patience.Token), Stopwatch.GetElapsedTime(began));
    }

    private void Given(string container, string? marker, string text = "")
    {
        var folder = Directory.CreateDirectory(Path.Combine(Out, "restores", Target, container)).FullName;
        if (marker is not null)
        {
            File.WriteAllText(Path.Combine(folder, marker), text);
        }
    }
}
