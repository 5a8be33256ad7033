using System.Diagnostics;
using System.Globalization;
using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Generate;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Restores;

/// <summary>A page that nobody brings is never read as zeros.</summary>
internal sealed class PageGuardTests
{
    private string _root = null!;
    private string _folder = null!;
    private Process _daemon = null!;
    private PageGuard _guard = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _root = Directory.CreateTempSubdirectory("pod-checkpointing-guard").FullName;
        _folder = Directory.CreateDirectory(Path.Combine(_root, "restores/u1/app")).FullName;
        _guard = Guard();
        await File.WriteAllTextAsync(In("lazy"), "\n");
        var script = Path.Combine(Repository.Root(AppContext.BaseDirectory), "test/Component/Restores/pages.py");
        _daemon = Process.Start("python3", [script, _folder, "lazy-pages"]);
        await Wait.UntilAsync(() => File.Exists(In("lazy-pid")) && File.Exists(In("pid")) && State() == 'T');
    }

    [TearDown]
    public void Stop()
    {
        _daemon.Kill();
        _daemon.Dispose();
        if (State() != 'X')
        {
            // It may end meanwhile.
            Signals.Kill(Pid);
        }

        _guard.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Test]
    public async Task Unguarded_it_is()
    {
        _daemon.Kill();
        await _daemon.WaitForExitAsync();
        Continue();

        await Wait.UntilAsync(() => File.Exists(In("read")));
        (await File.ReadAllTextAsync(In("read"))).Should().Be("0", "this is what the guard is for");
    }

    [Test]
    public async Task Who_needs_it_is_killed_when_the_daemon_dies_and_its_restore_has_failed()
    {
        await _guard.TakeAsync(new ContainerRestoreFolder(_folder), CancellationToken.None);
        await RunAsync();

        _daemon.Kill();

        await Wait.UntilAsync(() => State() == 'X');
        File.Exists(In("read")).Should().BeFalse();
        var state = new ContainerRestoreFolder(_folder).State();
        state.Phase.Should().Be("Failed");
        state.Message.Should().Contain("not all pages");
    }

    [Test]
    public async Task The_next_agent_takes_over()
    {
        await RunAsync();
        using var next = Guard();
        await next.StartAsync(CancellationToken.None);
        await next.ExecuteTask!;

        _daemon.Kill();

        await Wait.UntilAsync(() => State() == 'X');
        File.Exists(In("read")).Should().BeFalse();
    }

    [Test]
    public async Task A_daemon_that_died_before_lets_nobody_run()
    {
        _daemon.Kill();
        await _daemon.WaitForExitAsync();

        await FluentActions
            .Awaiting(() => _guard.TakeAsync(new ContainerRestoreFolder(_folder), CancellationToken.None))
            .Should().ThrowAsync<RpcException>();

        await Wait.UntilAsync(() => State() == 'X');
        File.Exists(In("read")).Should().BeFalse();
    }

    [Test]
    public async Task It_runs_when_all_pages_are_in_and_not_before()
    {
        await _guard.TakeAsync(new ContainerRestoreFolder(_folder), CancellationToken.None);
        await RunAsync();
        new ContainerRestoreFolder(_folder).State().Phase.Should().Be("Restored");

        // As the handler writes down how the daemon has ended.
        await File.WriteAllTextAsync(In("pages"), "0\n");
        _daemon.Kill();

        await Wait.UntilAsync(() => new ContainerRestoreFolder(_folder).State().Phase == "Running");
        await Wait.UntilAsync(() => File.Exists(In("read")));
        File.Exists(In("error")).Should().BeFalse();
    }

    private PageGuard Guard() => new(
        Options.Create(new AgentOptions { StateRoot = _root }), TimeProvider.System, NullLogger<PageGuard>.Instance);

    /// <summary>As the agent lets it run; it goes as far as the missing page.</summary>
    private async Task RunAsync()
    {
        await File.WriteAllTextAsync(In("restored"), "");
        await File.WriteAllTextAsync(In("running"), "3\n");
        Continue();
        await Wait.UntilAsync(() => State() is 'S' or 'D');
    }

    private int Pid => int.Parse(File.ReadAllText(In("pid")).Split(' ')[0], CultureInfo.InvariantCulture);

    private string In(string name) => Path.Combine(_folder, name);

    private void Continue()
    {
        using var kill = Process.Start("kill", ["-CONT", Pid.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>X when it is dead, whether or not somebody has buried it.</summary>
    private char State()
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{Pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is var state && state == 'Z' ? 'X' : state;
        }
        catch (IOException)
        {
            return 'X';
        }
    }
}
