using System.Formats.Tar;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Unit.Storage;

/// <summary>A write ends whole or leaves nothing.</summary>
public sealed class WriterTests : StoreFolder
{
    [Test]
    public async Task A_cancelled_write_leaves_nothing_and_is_prompt()
    {
        using var cancel = new CancellationTokenSource();
        var endless = new Endless(Tar(8 << 20), atEnd: cancel.Cancel);

        var writing = () => WriteAsync(endless, cancel.Token);

        await writing.Should().ThrowAsync<OperationCanceledException>();
        Files().Should().BeEmpty();
    }

    [Test]
    public async Task A_source_that_fails_leaves_nothing_and_its_own_error()
    {
        var failing = new Endless(Tar(1 << 20), atEnd: () => throw new IOException("the disk under the tar is gone"));
        var writing = () => WriteAsync(failing);
        (await writing.Should().ThrowAsync<IOException>()).WithMessage("the disk under the tar is gone");
        Files().Should().BeEmpty();
    }

    [Test]
    public async Task What_is_announced_may_be_read_but_is_not_there_yet()
    {
        var manifest = await WriteAsync(new MemoryStream(Tar(1000)));
        var file = Path.Combine(Root, Pod, Id, Volume, "manifest.json");
        // As it is while the bytes are being synced.
        File.Move(file, file + ".partial");

        Store.FindAnnounced(Pod, Id, Volume)!.CompressedDigest.Should().Be(manifest.CompressedDigest);
        Store.Find(Pod, Id, Volume).Should().BeNull();

        await File.WriteAllTextAsync(file + ".partial", (await File.ReadAllTextAsync(file + ".partial"))[..^20]);
        Store.FindAnnounced(Pod, Id, Volume).Should().BeNull("half of it says nothing");
    }

    [Test]
    public async Task What_a_dead_writer_announced_is_taken_back_by_the_next()
    {
        await WriteAsync(new MemoryStream(Tar(1000)));
        var file = Path.Combine(Root, Pod, Id, Volume, "manifest.json");
        File.Move(file, file + ".partial");
        ContainerManifest? announced = null;
        var failing = new Endless(Tar(1 << 20), atEnd: () =>
        {
            announced = Store.FindAnnounced(Pod, Id, Volume);
            throw new IOException("the disk under the tar is gone");
        });

        await FluentActions.Awaiting(() => WriteAsync(failing)).Should().ThrowAsync<IOException>();

        announced.Should().BeNull();
        Store.FindAnnounced(Pod, Id, Volume).Should().BeNull();
    }

    [Test]
    public async Task A_full_volume_leaves_nothing_and_is_named()
    {
        // /dev/full answers every write with ENOSPC.
        var folder = Directory.CreateDirectory(Path.Combine(Root, Pod, Id, Volume)).FullName;
        var partial = Path.Combine(folder, "dump.tar.zst.partial");
        var writing = async () =>
        {
            using var file = File.OpenHandle("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            var walker = new PodCheckpointing.Storage.Archives.ArchiveWalker([], []);
            return await new PodCheckpointing.Storage.Frames.ArtifactWriter(
                new StoreOptions(), walker, new Progress<long>())
                .WriteAsync(new MemoryStream(Tar(3 << 20)), file, partial, CancellationToken.None);
        };
        (await writing.Should().ThrowAsync<IOException>()).WithMessage($"{partial}*No space left*");
    }

    [Test]
    public async Task A_second_writer_is_refused_and_does_not_disturb_the_first()
    {
        var more = new TaskCompletionSource();
        var tar = Tar(1 << 20);
        var first = WriteAsync(new Slow(tar, more.Task));

        var second = () => WriteAsync(new MemoryStream(tar));
        await second.Should().ThrowAsync<IOException>();
        more.SetResult();

        var manifest = await first;
        (await ReadAsync(manifest)).Should().HaveCount((int)manifest.Size);
        Files().Should().BeEquivalentTo("dump.tar.zst", "manifest.json");
    }

    [Test]
    public async Task A_dead_writers_leftover_is_taken_over()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Root, Pod, Id, Volume)).FullName;
        await File.WriteAllBytesAsync(Path.Combine(folder, "dump.tar.zst.partial"), new byte[5 << 20]);
        await WriteAsync(new MemoryStream(Tar(1000)));
        Files().Should().BeEquivalentTo("dump.tar.zst", "manifest.json");
    }

    [Test]
    public async Task A_file_that_still_grows_is_followed_to_its_end()
    {
        var tar = Tar(2 << 20);
        var path = Path.Combine(Out, "growing.tar");
        var finished = new TaskCompletionSource();
        await using var target = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
        await target.WriteAsync(tar.AsMemory(0, 700_001));
        await using var source = new FollowingStream(
            new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite), finished.Task,
            TimeProvider.System);

        var writing = WriteAsync(source);
        await target.WriteAsync(tar.AsMemory(700_001, 100_000));
        writing.IsCompleted.Should().BeFalse();
        await target.WriteAsync(tar.AsMemory(800_001));
        finished.SetResult();

        var back = await ReadAsync(await writing);
        back.AsSpan().SequenceEqual(tar.AsSpan(0, back.Length)).Should().BeTrue();
    }

    [Test]
    public async Task A_file_whose_writer_fails_is_not_stored()
    {
        var path = Path.Combine(Out, "growing.tar");
        await File.WriteAllBytesAsync(path, Tar(1 << 20)[..600_000]);
        await using var source = new FollowingStream(
            File.OpenRead(path), Task.FromException(new IOException("the runtime gave up")), TimeProvider.System);
        var writing = () => WriteAsync(source);
        (await writing.Should().ThrowAsync<IOException>()).WithMessage("the runtime gave up");
        Files().Should().BeEmpty();
    }

    [Test]
    public async Task Progress_tells_the_bytes_that_were_read()
    {
        var told = new Told();
        var manifest = await Store.WriteAsync(
            Pod, Id, Volume, new MemoryStream(Tar(1 << 20)), new Origin(), told, CancellationToken.None);
        told.Values.Should().BeInAscendingOrder().And.HaveCount(manifest.Frames.Count);
        told.Values[^1].Should().Be(manifest.Size);
    }

    [Test]
    public async Task Deleting_what_a_reader_reads_is_an_error_of_that_reader_only()
    {
        var manifest = await WriteAsync(new MemoryStream(Tar(1 << 20)));
        Store.Delete(Pod, Id, container: null)
            .Should().Be(manifest.CompressedSize + ManifestJson.Write(manifest).Length);
        var reading = () => ReadAsync(manifest);
        (await reading.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*missing*");
    }

    [Test]
    public async Task Only_the_owner_may_read_what_was_in_a_process()
    {
        await WriteAsync(new MemoryStream(Tar(1000)));
        Store.Seal(Pod, Id, [Volume]);
        foreach (var entry in new DirectoryInfo(Root).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
        {
            (entry.UnixFileMode & (UnixFileMode)0x3f).Should().Be(UnixFileMode.None, entry.FullName);
        }
    }

    [Test]
    public async Task A_removal_tells_when_nobody_else_can_write_or_remove()
    {
        await WriteAsync(new MemoryStream(Tar(1000)));
        var isHeld = false;

        Store.Delete(Pod, Id, container: null, () => isHeld = StoreLock.IsHeld(Root, $"{Pod}/{Id}"));

        isHeld.Should().BeTrue();
    }

    [TestCase("dump.tar.zst")]
    [TestCase("manifest.json")]
    public async Task What_lost_a_part_before_it_was_sealed_can_be_written_again(string lost)
    {
        await WriteAsync(new MemoryStream(Tar(1000)));
        File.Delete(Path.Combine(Root, Pod, Id, Volume, lost));
        var sealing = () => Store.Seal(Pod, Id, [Volume]);
        sealing.Should().Throw<CorruptArtifactException>().WithMessage("*no artifact*");

        await WriteAsync(new MemoryStream(Tar(1000)));
        Store.Seal(Pod, Id, [Volume]);
        await Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
    }

    [Test]
    public void The_identity_stays_and_a_broken_one_is_replaced()
    {
        var id = Store.StoreId();
        Store.StoreId().Should().Be(id);
        new CheckpointStore(Root, TimeProvider.System).StoreId().Should().Be(id);
        File.WriteAllBytes(Path.Combine(Root, ".store-id"), []);
        var second = Store.StoreId();
        second.Should().NotBe(id);
        Store.StoreId().Should().Be(second);
        Files().Should().Equal(".store-id");
    }

    [Test]
    public void Identities_made_at_once_are_one()
    {
        var ids = new string[4, 100];
        using var round = new Barrier(ids.GetLength(0));
        var makers = Enumerable.Range(0, ids.GetLength(0)).Select(maker => new Thread(() =>
        {
            for (var i = 0; i < ids.GetLength(1); i++)
            {
                var store = new CheckpointStore(
                    Directory.CreateDirectory(Path.Combine(Root, $"volume-{i}")).FullName, TimeProvider.System);
                round.SignalAndWait();
                ids[maker, i] = store.StoreId();
            }
        })).ToList();
        makers.ForEach(m => m.Start());
        makers.ForEach(m => m.Join());

        Enumerable.Range(0, ids.GetLength(1))
            .Where(i => Enumerable.Range(0, ids.GetLength(0)).Any(m => ids[m, i] != ids[0, i]))
            .Should().BeEmpty();
    }

    [Test]
    public async Task Deleting_a_volume_leaves_no_folders()
    {
        await WriteAsync(new MemoryStream(Tar(1000)));
        Store.Delete(Pod, Id, Volume).Should().BePositive();
        Directory.EnumerateFileSystemEntries(Root).Select(Path.GetFileName).Should().Equal(".lock");
    }

    [TestCase(0, 1, 0)]
    [TestCase(20, 1, 0)]
    [TestCase(1, 0, 0)]
    [TestCase(1, 1, -1)]
    [TestCase(1, 1, int.MaxValue)]
    public void Options_that_cannot_work_are_refused(int level, int workers, int frameSize)
    {
        var making = () => new CheckpointStore(
            Root, TimeProvider.System, new StoreOptions { Level = level, Workers = workers, FrameSize = frameSize });
        making.Should().Throw<ArgumentOutOfRangeException>();
    }

    private static byte[] Tar(int size)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, leaveOpen: true))
        {
            var content = new byte[size];
            new Random(size).NextBytes(content);
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "f") { DataStream = new MemoryStream(content) });
        }

        return stream.ToArray();
    }

    private List<string> Files() =>
        [.. new DirectoryInfo(Root)
            .EnumerateFiles("*", SearchOption.AllDirectories)
            .Select(f => f.Name)
            .Where(name => name != ".lock")];

    private sealed class Told : IProgress<long>
    {
        public List<long> Values { get; } = [];

        public void Report(long value) => Values.Add(value);
    }

    /// <summary>Does something where the archive's end marker would come, and then goes on without end.</summary>
    private sealed class Endless(byte[] tar, Action atEnd) : MemoryStream(tar)
    {
        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position < Length - 2048)
            {
                return await base.ReadAsync(
                    buffer[..(int)Math.Min(buffer.Length, Length - 2048 - Position)], cancellationToken);
            }

            atEnd();
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }
    }

    private sealed class Slow(byte[] tar, Task more) : MemoryStream(tar)
    {
        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await more.WaitAsync(cancellationToken);
            return await base.ReadAsync(buffer, cancellationToken);
        }
    }
}
