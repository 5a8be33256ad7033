using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Checkpoints;

namespace PodCheckpointing.Component.Fences;

/// <summary>A source whose pod goes on elsewhere has no processes any more when its kubelet hears of its end.</summary>
public sealed class EndProcessesTests
{
    private const string Pod = "0e1d0000-0000-0000-0000-000000000001";
    private AgentNode _node = null!;

    [SetUp]
    public async Task Begin() => _node = await AgentNode.StartAsync();

    [TearDown]
    public async Task End() => await _node.DisposeAsync();

    [Test]
    public async Task Stopped_processes_of_a_fenced_pod_are_killed_and_no_others()
    {
        var (app, side) = (_node.Run(Pod, "app"), _node.Run(Pod, "side"));
        var other = _node.Run("0e1d0000-0000-0000-0000-000000000002", "app");
        await _node.Client.FenceAsync(
            new FenceRequest { PodUid = Pod, Holder = "m", TcpPolicy = "Close" }, Limit, CancellationToken.None);
        System.Diagnostics.Process.Start("kill", ["-STOP", $"{app.Process.Id}"]).WaitForExit();

        (await EndAsync("m")).EndedProcesses.Should().Be(2);

        (app.Process.HasExited, side.Process.HasExited, other.Process.HasExited).Should().Be((true, true, false));
        (await EndAsync("m")).EndedProcesses.Should().Be(0, "asked again it has nothing to do");
    }

    [Test]
    public async Task A_container_that_ends_while_it_is_looked_at_has_no_process_to_kill([Values] bool forgotten)
    {
        _node.RuntimeForgets = forgotten;
        // Its pid is 0 then, which is everybody to kill(2).
        var app = _node.Run(Pod, "app");
        await _node.Client.FenceAsync(
            new FenceRequest { PodUid = Pod, Holder = "m", TcpPolicy = "Close" }, Limit, CancellationToken.None);
        app.Process.Kill();
        await app.Process.WaitForExitAsync();
        _node.ListLags = true;

        (await FluentActions.Awaiting(() => EndAsync("m")).Should().ThrowAsync<RpcException>()).Which.StatusCode
            .Should().Be(StatusCode.Unavailable);

        _node.ListLags = false;
        (await EndAsync("m")).EndedProcesses.Should().Be(0);
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Without_the_callers_fence_nothing_is_killed(bool another)
    {
        var app = _node.Run(Pod, "app");
        if (another)
        {
            await _node.Client.FenceAsync(
                new FenceRequest { PodUid = Pod, Holder = "another", TcpPolicy = "Close" }, Limit,
                CancellationToken.None);
        }

        (await FluentActions.Awaiting(() => EndAsync("m")).Should().ThrowAsync<RpcException>()).Which
            .Should().Match<RpcException>(
            e => e.StatusCode == StatusCode.FailedPrecondition && AgentReasons.Of(e) == Reasons.CheckpointFailed);

        app.Process.HasExited.Should().BeFalse();
    }

    private static TimeSpan Limit => TimeSpan.FromSeconds(100);

    private Task<EndProcessesResponse> EndAsync(string holder) =>
        _node.Client.EndProcessesAsync(
            new EndProcessesRequest { PodUid = Pod, Holder = holder }, Limit, CancellationToken.None);
}
