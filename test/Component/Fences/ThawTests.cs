using System.Diagnostics;
using System.Globalization;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Component.Checkpoints;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Fences;

/// <summary>What the agent says of a pod that goes on: which containers have their memory still.</summary>
internal sealed class ThawTests
{
    private const string Pod = "0e1d0000-0000-0000-0000-000000000003";

    /// <summary>Stops its child and never lets it go on: the agent looks at it as long as it does at any.</summary>
    private const string Debugger = """
        import ctypes, os, signal
        libc, child = ctypes.CDLL(None), os.fork()
        if child == 0:
            libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            libc.ptrace(0, 0, 0, 0)  # PTRACE_TRACEME
            os.kill(os.getpid(), signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)
        print("held", flush=True)
        signal.pause()
        """;

    private AgentNode _node = null!;
    private SleepingContainer _app = null!;

    [SetUp]
    public async Task BeginAsync()
    {
        _node = await AgentNode.StartAsync();
        var debugger = Process.Start(
            new ProcessStartInfo("python3", ["-c", Debugger]) { RedirectStandardOutput = true })!;
        _node.Run(Pod, "side", debugger);
        (await debugger.StandardOutput.ReadLineAsync()).Should().Be("held");
        _app = _node.Run(Pod, "app");
        await _node.Client.FenceAsync(
            new FenceRequest { PodUid = Pod, Holder = "m", TcpPolicy = "Close" }, Limit, CancellationToken.None);
        // It ends in the instant in which it goes on.
        await SignalAsync("-STOP");
        await Wait.UntilAsync(() => ProcessState.IsHeld(_app.Process.Id));
        await SignalAsync("-TERM");
    }

    [TearDown]
    public async Task EndAsync() => await _node.DisposeAsync();

    [Test]
    public async Task A_container_that_goes_on_and_ends_by_itself_has_gone_on() =>
        (await UnfenceAsync()).ContainerNames.Should().BeEquivalentTo("app", "side");

    [Test]
    public async Task It_has_so_for_the_next_agent_when_this_one_is_killed_before_it_can_say_so()
    {
        var call = UnfenceAsync();
        await _app.Process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(2));
        _node.KillAgent();
        await Task.WhenAny(call);

        await _node.StartAgentAsync();

        (await UnfenceAsync()).ContainerNames.Should().BeEquivalentTo("app", "side");
    }

    private static TimeSpan Limit => TimeSpan.FromSeconds(100);

    private async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [signal, _app.Process.Id.ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
    }

    private Task<UnfenceResponse> UnfenceAsync() => _node.Client.UnfenceAsync(
        new UnfenceRequest { PodUid = Pod, Holder = "m", Resume = true }, Limit, CancellationToken.None);
}
