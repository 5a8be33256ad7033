using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Storage;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

[TestFixture]
public sealed class VolumeContentTests : StoreFolder
{
    private const string Target = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";
    private VolumeContent _volumes = null!;

    [SetUp]
    public void Mount()
    {
        var options = Options.Create(new AgentOptions { KubeletPods = Out, NodeRoot = Out });
        _volumes = new VolumeContent(Store, new PodCgroup(options), options);
        Directory.CreateDirectory(FolderOf(Pod));
        Directory.CreateDirectory(FolderOf(Target));
    }

    [Test]
    public async Task What_stood_in_one_volume_stands_in_the_other_and_nothing_else_does()
    {
        await File.WriteAllTextAsync(Path.Combine(FolderOf(Pod), "kept"), "content");
        File.SetUnixFileMode(FolderOf(Pod), (UnixFileMode)0b111_101_000);
        Directory.CreateDirectory(Path.Combine(FolderOf(Target), "half", "done"));
        File.CreateSymbolicLink(Path.Combine(FolderOf(Target), "leftover"), "/etc");

        await StoreAsync();
        await _volumes.PlaceAsync(Target, Store.Find(Pod, Id, ".volumes/scratch")!, "scratch", CancellationToken.None);

        Directory.GetFileSystemEntries(FolderOf(Target)).Select(Path.GetFileName).Should().Equal("kept");
        (await File.ReadAllTextAsync(Path.Combine(FolderOf(Target), "kept"))).Should().Be("content");
        File.GetUnixFileMode(FolderOf(Target))
            .Should().Be((UnixFileMode)0b111_101_000, "the volume's own mode goes along");
        Directory.Exists("/etc").Should().BeTrue("no link is followed");
    }

    [Test]
    public async Task A_volume_is_taken_once()
    {
        await StoreAsync();
        await File.WriteAllTextAsync(Path.Combine(FolderOf(Pod), "later"), "");

        await StoreAsync();

        Store.Find(Pod, Id, ".volumes/scratch")!.Entries.Should().Be(1);
    }

    [Test]
    public async Task A_volume_that_is_not_there_is_an_error_and_leaves_nothing()
    {
        Directory.Delete(FolderOf(Pod));
        await FluentActions.Awaiting(StoreAsync)
            .Should().ThrowAsync<IOException>().WithMessage("volume scratch is not at*");
        Store.Find(Pod, Id, ".volumes/scratch").Should().BeNull();
    }

    [Test]
    public async Task A_pod_without_that_volume_is_refused()
    {
        await StoreAsync();
        Directory.Delete(FolderOf(Target));

        var placing = () => _volumes.PlaceAsync(
            Target, Store.Find(Pod, Id, ".volumes/scratch")!, "scratch", CancellationToken.None);

        (await placing.Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.FailedPrecondition);
    }

    [Test]
    public async Task A_volume_is_weighed_and_said_to_be_in_memory_where_it_is()
    {
        var pods = Directory.CreateDirectory($"/dev/shm/pods-{Guid.NewGuid():n}").FullName;
        try
        {
            var folder =
                Directory.CreateDirectory(
                    Path.Combine(pods, Target, "volumes", "kubernetes.io~empty-dir", "scratch")).FullName;
            await File.WriteAllBytesAsync(Path.Combine(folder, "kept"), new byte[1 << 20]);
            var options = Options.Create(new AgentOptions { KubeletPods = pods, NodeRoot = Out });
            var volumes = new VolumeContent(Store, new PodCgroup(options), options);

            (await volumes.WeighAsync(Target, "scratch", CancellationToken.None)).Should().Be((1 << 20, true));
            (await volumes.WeighAsync(Target, "another", CancellationToken.None)).Should().Be((0, false));
        }
        finally
        {
            Directory.Delete(pods, recursive: true);
        }
    }

    [Test]
    public async Task A_volume_in_memory_of_a_pod_without_a_group_is_not_laid_on_the_disk_first()
    {
        await File.WriteAllTextAsync(Path.Combine(FolderOf(Pod), "kept"), "content");
        await StoreAsync();
        var pods = Directory.CreateDirectory($"/dev/shm/pods-{Guid.NewGuid():n}").FullName;
        try
        {
            var folder =
                Directory.CreateDirectory(
                    Path.Combine(pods, Target, "volumes", "kubernetes.io~empty-dir", "scratch")).FullName;
            var state = Directory.CreateDirectory(Path.Combine(Out, "state")).FullName;
            var options = Options.Create(new AgentOptions { KubeletPods = pods, NodeRoot = Out, StateRoot = state });

            await new VolumeContent(Store, new PodCgroup(options), options)
                .PlaceAsync(Target, Store.Find(Pod, Id, ".volumes/scratch")!, "scratch", CancellationToken.None);

            (await File.ReadAllTextAsync(Path.Combine(folder, "kept"))).Should().Be("content");
            Directory.GetFileSystemEntries(state).Should().BeEmpty();
        }
        finally
        {
            Directory.Delete(pods, recursive: true);
        }
    }

    [Test]
    public async Task The_end_of_an_archive_is_held_back_until_its_maker_has_ended_well(
        [Values(0, 1, 20479, 20480, 20481, 999_999)] int length)
    {
        var content = new byte[length];
        new Random(length).NextBytes(content);
        await using var good = new HeldBackStream(new MemoryStream(content), () => Task.CompletedTask);
        var copy = new MemoryStream();
        await good.CopyToAsync(copy, 777);
        copy.ToArray().Should().Equal(content);

        await using var bad = new HeldBackStream(new MemoryStream(content), () => throw new IOException("tar says no"));
        var half = new MemoryStream();
        await FluentActions.Awaiting(() => bad.CopyToAsync(half, 777)).Should().ThrowAsync<IOException>();
        half.Length.Should().Be(Math.Max(0, length - HeldBackStream.HeldBack));
    }

    private Task StoreAsync() => _volumes.StoreAsync(Pod, Id, "scratch", new Origin(), CancellationToken.None);

    private string FolderOf(string pod) => Path.Combine(Out, pod, "volumes", "kubernetes.io~empty-dir", "scratch");
}
