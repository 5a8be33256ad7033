using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Component.Store;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>A dump that the node has no room for is not begun: the pod would stand still in vain.</summary>
internal sealed class DumpSpaceTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private const long Mebi = 1 << 20;
    private AgentNode _node = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _node = await AgentNode.StartAsync();
        await MountAsync(_node.Archives, 104);
    }

    [TearDown]
    public async Task StopAsync()
    {
        foreach (var mount in new[] { _node.Archives, Runtime }.Where(Directory.Exists))
        {
            await StoragePeers.RunAsync("umount", "--lazy", mount);
        }

        await _node.DisposeAsync();
    }

    [TestCase(40, false)]
    [TestCase(1, true)]
    public async Task A_snapshot_that_does_not_fit_twice_is_refused_before_kubelet_is_asked(int mebi, bool taken)
    {
        var start = new ProcessStartInfo(
            "python3",
            ["-c", $"import os, sys; m = os.urandom({mebi} << 20); print('ready', flush=True); sys.stdin.read()"])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true,
        };
        var process = Process.Start(start)!;
        await process.StandardOutput.ReadLineAsync();
        _node.Run(Pod, "app", process);

        var asking = FluentActions.Awaiting(() => _node.CheckpointAsync(Pod, "app"));

        if (taken)
        {
            await asking.Should().NotThrowAsync();
        }
        else
        {
            (await asking.Should().ThrowAsync<RpcException>()).Which.Should().Match<RpcException>(
                e => AgentReasons.Of(e) == Reasons.NotEnoughSpace && !AgentReasons.IsTransient(e)
                    && e.Status.Detail.Contains("room for a dump of 20 MiB")
                    && e.Status.Detail.Contains(_node.Archives));
        }

        _node.Dumps.Should().Be(taken ? 1 : 0);
    }

    // Of what is free 64 MiB are left alone.
    [TestCase(null, 20)]
    [TestCase(104, 20)]
    [TestCase(90, 26)]
    [TestCase(1000, 40)]
    public async Task What_the_runtime_writes_elsewhere_needs_no_room_beside_the_archive(int? runtime, int room)
    {
        if (runtime is { } size)
        {
            Directory.CreateDirectory(Runtime);
            await MountAsync(Runtime, size);
        }

        (await _node.Client.GetCapabilitiesAsync(new GetCapabilitiesRequest(), null, CancellationToken.None))
            .DumpRoomBytes.Should().Be((ulong)(room * Mebi));
    }

    [Test]
    public void Where_kubelet_has_no_folder_yet_nobody_knows() =>
        DumpSpace.Room(new AgentOptions { KubeletDirectory = "/nowhere" }).Should().BeNull();

    private string Runtime => Path.Combine(_node.NodeRoot, "var/lib/containers/storage");

    private static Task MountAsync(string folder, int mebi) =>
        StoragePeers.RunAsync("mount", "-t", "tmpfs", "-o", $"size={mebi}m", "tmpfs", folder);
}
