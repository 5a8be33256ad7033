using System.Formats.Tar;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Storage;

/// <summary>An artifact that is extracted while it is written.</summary>
public sealed class FollowerTests : StoreFolder
{
    private TaskCompletionSource<ContainerManifest> _finished = null!;
    private string _path = "";
    private string _target = "";

    [SetUp]
    public void MakeTarget()
    {
        _finished = new TaskCompletionSource<ContainerManifest>();
        _path = Path.Combine(Out, "dump.tar.zst");
        _target = Directory.CreateDirectory(Path.Combine(Out, "target")).FullName;
    }

    [Test]
    public async Task Extracts_what_is_there_before_the_writer_has_ended()
    {
        var (manifest, packed) = await ArtifactAsync();
        var following = FollowAsync();
        await using var writer =
            new FileStream(_path + ".partial", FileMode.Create, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var half = packed.Length / 2;
        for (var at = 0; at < half; at += 10_007)
        {
            await writer.WriteAsync(packed.AsMemory(at, Math.Min(10_007, half - at)));
        }

        await Wait.UntilAsync(() => File.Exists(Path.Combine(_target, "a")));
        following.IsCompleted.Should().BeFalse();
        await writer.WriteAsync(packed.AsMemory(half));
        File.Move(_path + ".partial", _path);
        _finished.SetResult(manifest);

        (await following).Should().Be(manifest);
        File.ReadAllBytes(Path.Combine(_target, "a")).Should().Equal(Content(1));
        File.ReadAllBytes(Path.Combine(_target, "b")).Should().Equal(Content(2));
    }

    [Test]
    public async Task Finds_an_artifact_that_is_finished_already()
    {
        var (manifest, packed) = await ArtifactAsync();
        await File.WriteAllBytesAsync(_path, packed);
        _finished.SetResult(manifest);
        await FollowAsync();
        File.ReadAllBytes(Path.Combine(_target, "b")).Should().Equal(Content(2));
    }

    [Test]
    public async Task Believes_nothing_that_the_manifest_does_not_say()
    {
        var (manifest, packed) = await ArtifactAsync();
        await File.WriteAllBytesAsync(_path, packed);
        _finished.SetResult(manifest with { CompressedDigest = manifest.Digest });
        await FollowAsync().Invoking(f => f)
            .Should().ThrowAsync<CorruptArtifactException>().WithMessage("*compressed digest*its manifest says*");
    }

    [Test]
    public async Task A_writer_that_began_again_is_found_out()
    {
        var (manifest, packed) = await ArtifactAsync();
        var other = packed.ToArray();
        // The first frame of another attempt, whole in itself.
        var first = manifest.Frames[0].CompressedSize;
        await File.WriteAllBytesAsync(_path + ".partial", [.. other[first..], .. other[..first]]);
        _finished.SetResult(manifest);
        await FollowAsync().Invoking(f => f).Should().ThrowAsync<CorruptArtifactException>();
    }

    [TestCase(1)]
    [TestCase(1000)]
    public async Task An_artifact_that_is_cut_short_is_an_error_and_no_wait(int missing)
    {
        var (manifest, packed) = await ArtifactAsync();
        await File.WriteAllBytesAsync(_path, packed[..^missing]);
        _finished.SetResult(manifest);
        (await FollowAsync().Invoking(f => f).Should().ThrowAsync<CorruptArtifactException>())
            .WithMessage($"*its manifest says {packed.Length}");
    }

    [Test]
    public async Task Bytes_behind_the_end_are_an_error()
    {
        var (manifest, packed) = await ArtifactAsync();
        await File.WriteAllBytesAsync(_path, [.. packed, 1]);
        _finished.SetResult(manifest);
        await FollowAsync().Invoking(f => f).Should().ThrowAsync<CorruptArtifactException>();
    }

    [Test]
    public async Task What_is_no_artifact_is_an_error_before_its_end()
    {
        await File.WriteAllBytesAsync(_path + ".partial", new byte[100]);
        (await FollowAsync().Invoking(f => f)
            .Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*no frame begins here*");
    }

    [Test]
    public async Task Never_makes_more_than_there_is_room_for()
    {
        var (_, packed) = await ArtifactAsync();
        await File.WriteAllBytesAsync(_path + ".partial", packed);
        (await FollowAsync(largest: 100_000).Invoking(f => f)
            .Should().ThrowAsync<IOException>()).WithMessage("*more than 100000 bytes*");
        new DirectoryInfo(_target).EnumerateFiles().Sum(f => f.Length).Should().BeLessThanOrEqualTo(100_000);
    }

    [Test]
    public async Task Is_never_in_the_way_of_a_writer_that_locks_its_file()
    {
        var (manifest, packed) = await ArtifactAsync();
        await using (var writer =
            new FileStream(_path + ".partial", FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0))
        {
            await writer.WriteAsync(packed.AsMemory(0, packed.Length - 1));
            var following = FollowAsync();
            await Wait.UntilAsync(() => File.Exists(Path.Combine(_target, "a")));
            await writer.WriteAsync(packed.AsMemory(packed.Length - 1));
            _finished.SetResult(manifest);
            await following;
        }
    }

    [Test]
    public async Task A_writer_that_gives_up_ends_it()
    {
        var (_, packed) = await ArtifactAsync();
        await File.WriteAllBytesAsync(_path + ".partial", packed[..^10]);
        var following = FollowAsync();
        _finished.SetException(new IOException("the volume is full"));
        (await following.Invoking(f => f).Should().ThrowAsync<IOException>()).WithMessage("the volume is full");
    }

    [Test]
    public async Task Nothing_at_all_is_an_error()
    {
        _finished.SetResult((await ArtifactAsync()).Manifest);
        (await FollowAsync().Invoking(f => f)
            .Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*is missing");
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task Can_be_ended_at_any_time(bool begun)
    {
        if (begun)
        {
            await File.WriteAllBytesAsync(_path + ".partial", (await ArtifactAsync()).Packed[..^10]);
        }

        using var stop = new CancellationTokenSource();
        var following = FollowAsync(cancellationToken: stop.Token);
        await Wait.UntilAsync(() => !begun || File.Exists(Path.Combine(_target, "a")));
        await stop.CancelAsync();
        await following.Invoking(f => f).Should().ThrowAsync<OperationCanceledException>();
    }

    private static byte[] Content(int seed)
    {
        var content = new byte[300_000];
        new Random(seed).NextBytes(content);
        return content;
    }

    private Task<ContainerManifest> FollowAsync(
        long largest = long.MaxValue, CancellationToken cancellationToken = default) =>
        Task.Run(() => new ArtifactFollower([Out], "dump.tar.zst", largest, TimeProvider.System)
            .ExtractAsync(_target, ExtractionOptions.FilesOnly, _finished.Task, cancellationToken));

    private async Task<(ContainerManifest Manifest, byte[] Packed)> ArtifactAsync()
    {
        using var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, leaveOpen: true))
        {
            foreach (var (name, seed) in new[] { ("a", 1), ("b", 2) })
            {
                await writer.WriteEntryAsync(
                    new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Content(seed)) });
            }
        }

        tar.Position = 0;
        var manifest = await WriteAsync(tar);
        return (manifest, await File.ReadAllBytesAsync(
            Directory.GetFiles(Root, "dump.tar.zst", SearchOption.AllDirectories).Single()));
    }
}
