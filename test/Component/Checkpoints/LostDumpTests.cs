using System.Diagnostics;
using System.Globalization;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>Dumps that kubelet has given up, and CRIU has not.</summary>
internal sealed class LostDumpTests
{
    private const string Pod = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";

    /// <summary>Holds a process as CRIU does, until its own end.</summary>
    private const string Tracer = """
        import ctypes, os, sys
        libc, pid = ctypes.CDLL(None, use_errno=True), int(sys.argv[1])
        for request in (0x4206, 0x4207):  # PTRACE_SEIZE, PTRACE_INTERRUPT
            if libc.ptrace(request, pid, None, None) != 0:
                sys.exit(os.strerror(ctypes.get_errno()))
        os.waitpid(pid, 0x40000000)  # __WALL
        print("held", flush=True)
        sys.stdin.read()
        """;

    private AgentNode _node = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _node = await AgentNode.StartAsync();
        _node.Holder = "m";
        _node.Run(Pod, "app");
        await _node.Client.FenceAsync(
            new FenceRequest { PodUid = Pod, Holder = "m", TcpPolicy = "Close" }, Wait.Patience,
            CancellationToken.None);
    }

    [TearDown]
    public async Task StopAsync() => await _node.DisposeAsync();

    [Test]
    public async Task The_archive_of_a_dump_that_outlasts_kubelet_is_taken_and_no_second_one_is_made()
    {
        var archive = "";
        _node.Words =
            "checkpointing of default/web/app failed (rpc error: code = DeadlineExceeded desc = context deadline "
                + "exceeded)";
        _node.Dump = path =>
        {
            archive = path;
            return Task.FromResult<string?>(null);
        };
        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Pod, "app")).Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(
                e => AgentReasons.IsTransient(e) && AgentReasons.Of(e) == Reasons.KubeletUnavailable);

        await AgentNode.WriteAsync(archive, await File.ReadAllBytesAsync(AgentNode.Archive));
        await _node.CheckpointAsync(Pod, "app");

        _node.Dumps.Should().Be(1);
    }

    [Test]
    public async Task A_dump_under_way_is_finished_before_an_agent_ends()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var finish = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _node.Dump = async path =>
        {
            begun.SetResult();
            await finish.Task;
            await AgentNode.WriteAsync(path, await File.ReadAllBytesAsync(AgentNode.Archive));
            return path;
        };
        using var hangUp = new CancellationTokenSource();
        var call = _node.Client.CheckpointAsync(
            new CheckpointRequest
            {
                PodNamespace = "default",
                PodName = "web", PodUid = Pod, ContainerName = "app", CheckpointId = AgentNode.Id, FenceHolder = "m",
            },
            TimeSpan.FromMinutes(2),
            hangUp.Token);
        await begun.Task;
        (await File.ReadAllTextAsync(_node.CriuOptions)).Should().Contain("leave-stopped");
        await hangUp.CancelAsync();
        await FluentActions.Awaiting(() => call).Should().ThrowAsync<Exception>();

        var end = await _node.EndAgentAsync();
        await _node.Client.GetCapabilitiesAsync(new GetCapabilitiesRequest(), null, CancellationToken.None);
        end.IsCompleted.Should().BeFalse("the dump is under way, and calls are answered meanwhile");
        finish.SetResult();
        await end.WaitAsync(TimeSpan.FromSeconds(120));

        (await File.ReadAllTextAsync(_node.CriuOptions))
            .Should().NotContain("leave-stopped", "every other dump of the node would stop its pod");
    }

    [Test]
    public async Task A_pod_is_not_said_to_go_on_while_somebody_holds_its_processes()
    {
        var process = _node.Containers.Single().Process.Id;
        using var tracer = await HoldAsync(process);
        try
        {
            // Nothing is known of any dump: whoever holds it may leave it stopped.
            (await FluentActions.Awaiting(UnfenceAsync).Should().ThrowAsync<RpcException>())
                .Which.Should().Match<RpcException>(
                    e => AgentReasons.IsTransient(e) && e.Status.Detail.Contains($"process {process} is held"));
        }
        finally
        {
            tracer.Kill();
            await tracer.WaitForExitAsync();
        }

        (await UnfenceAsync()).ResumedProcesses.Should().Be(1);
        ProcessState.IsHeld(process).Should().BeFalse();
    }

    private Task<UnfenceResponse> UnfenceAsync() => _node.Client.UnfenceAsync(
        new UnfenceRequest { PodUid = Pod, Holder = "m", Resume = true }, TimeSpan.FromSeconds(60),
        CancellationToken.None);

    private static async Task<Process> HoldAsync(int pid)
    {
        var tracer =
            Process.Start(new ProcessStartInfo("python3", ["-c", Tracer, pid.ToString(CultureInfo.InvariantCulture)])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;
        (await tracer.StandardOutput.ReadLineAsync()).Should().Be("held");
        return tracer;
    }
}
