using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Component.Store;

namespace PodCheckpointing.Component.Fences;

/// <summary>A node's disk on which no file can be made any more, by the time that a pod is to go on.</summary>
internal sealed class FullDiskTests
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private string _root = null!;

    [SetUp]
    public async Task MountAsync()
    {
        _root = Directory.CreateTempSubdirectory("pod-checkpointing-state").FullName;
        await StoragePeers.RunAsync("mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=32", "tmpfs", _root);
    }

    [TearDown]
    public async Task UnmountAsync()
    {
        await StoragePeers.RunAsync("umount", _root);
        Directory.Delete(_root);
    }

    [Test]
    public async Task A_fence_is_lifted_all_the_same()
    {
        var book = New();
        book.Fence(Pod, "m1", "Close");
        Fill();
        var thawed = 0;

        var (processes, continued) = await book.LiftAsync(Pod, "m1", note =>
        {
            thawed++;
            note(["c"]);
            note(["d"]);
            return Task.FromResult(1);
        });

        processes.Should().Be(1);
        continued.Should().BeEquivalentTo("c", "d");
        thawed.Should().Be(1);
        book.Find(Pod).Should().BeNull();
        FluentActions.Invoking(() => New().Fence(Pod, "m1", "Close"))
            .Should().Throw<RpcException>().WithMessage("*has lifted its fence*");
    }

    [Test]
    public async Task Addresses_are_let_go_all_the_same()
    {
        var scripts = new List<string>();
        using var holds = new AddressHolds(
            Options.Create(new AgentOptions { StateRoot = _root }), TimeProvider.System, script =>
            {
                scripts.Add(script);
                return Task.CompletedTask;
            }, NullLogger<AddressHolds>.Instance);
        await holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.Zero, CancellationToken.None);
        Fill();

        await holds.LetGoAsync("m1", CancellationToken.None);

        scripts[^1].Should().Contain("let_go iptables -d 10.0.0.5");
        (await FluentActions.Awaiting(() => holds.HoldAsync("m1", ["10.0.0.5"], TimeSpan.Zero, CancellationToken.None))
            .Should().ThrowAsync<RpcException>()).WithMessage("*has let its addresses go*");
    }

    [Test]
    public void A_pod_is_not_fenced_there_and_it_is_told_why()
    {
        Fill();

        var exception =
            FluentActions.Invoking(() => New().Fence(Pod, "m1", "Close")).Should().Throw<IOException>().Which;

        FullDisk.RefusalOf(exception, new AgentOptions { NodeName = "node", StateRoot = _root })!
            .Status.Detail.Should().StartWith($"the disk at {_root} of node node has no room left");
        New().Find(Pod).Should().BeNull();
    }

    private FenceBook New() => new(Options.Create(new AgentOptions { StateRoot = _root }), TimeProvider.System);

    private void Fill()
    {
        for (var n = 0; n < 64; n++)
        {
            try
            {
                File.WriteAllBytes(Path.Combine(_root, $"file{n}"), []);
            }
            catch (IOException)
            {
                return;
            }
        }

        Assert.Fail("the disk never was full");
    }
}
