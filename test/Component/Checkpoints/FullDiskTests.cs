using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Store;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>A volume that runs full while a fenced pod is stored: its pod stands still,
/// and nobody waits for room.</summary>
internal sealed class FullDiskTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private AgentNode _node = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _node = await AgentNode.StartAsync();
        _node.Holder = "m";
        _node.Run(Pod, "app");
        await StoragePeers.RunAsync("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", _node.StoreRoot);
    }

    [TearDown]
    public async Task StopAsync()
    {
        await StoragePeers.RunAsync("umount", "--lazy", _node.StoreRoot);
        await _node.DisposeAsync();
    }

    [Test]
    public async Task A_container_that_does_not_fit_is_given_up_at_once()
    {
        await StoragePeers.RunAsync("mount", "-o", "remount,size=16k", _node.StoreRoot);
        await FenceAsync();
        _node.Dump = async path =>
        {
            using var kill = Process.Start("kill", ["-STOP", $"{_node.Containers.Single().Process.Id}"]);
            await kill.WaitForExitAsync();
            await AgentNode.WriteAsync(path, await File.ReadAllBytesAsync(AgentNode.Archive));
            return path;
        };

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Pod, "app", ["app"]))
            .Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(
                e => AgentReasons.Of(e) == Reasons.NotEnoughSpace && !AgentReasons.IsTransient(e)
                    && e.Status.Detail.Contains(
                        $"the checkpoint volume at {_node.StoreRoot} of node node has no room left"));

        (await _node.Client.UnfenceAsync(
            new UnfenceRequest { PodUid = Pod, Holder = "m", Resume = true }, TimeSpan.FromSeconds(60),
            CancellationToken.None))
            .ResumedProcesses.Should().Be(1);
        Directory.EnumerateFiles(_node.StoreRoot, "dump*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Test]
    public async Task Volumes_that_do_not_fit_give_up_the_whole_checkpoint()
    {
        await File.WriteAllBytesAsync(Path.Combine(_node.Volume(Pod, "data"), "random"), RandomBytes(2 << 20));
        await FenceAsync();

        (await FluentActions.Awaiting(() => _node.CheckpointAsync(Pod, "app", ["app"], "data"))
            .Should().ThrowAsync<RpcException>())
            .Which.Should().Match<RpcException>(
                e => AgentReasons.Of(e) == Reasons.NotEnoughSpace && !AgentReasons.IsTransient(e));

        _node.Store.IsSealed(Pod, AgentNode.Id).Should().BeFalse();
    }

    private static byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    private Task FenceAsync() => _node.Client.FenceAsync(
        new FenceRequest { PodUid = Pod, Holder = "m", TcpPolicy = "Close" }, Wait.Patience,
        CancellationToken.None);
}
