using System.Formats.Tar;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;
using PodCheckpointing.Storage.Maintenance;

namespace PodCheckpointing.Unit.Storage;

/// <summary>What is not as it was written is never handed out as if it were.</summary>
public sealed class CorruptionTests : StoreFolder
{
    protected override bool InMemory => true;

    [TestCase(".checkpoint-complete")]
    [TestCase(Volume + "/manifest.json")]
    [TestCase(Volume + "/dump.tar.zst")]
    public async Task Every_flipped_byte_is_found(string file)
    {
        await SealedAsync();
        var path = Path.Combine(Root, Pod, Id, file);
        var bytes = await File.ReadAllBytesAsync(path);
        var random = new Random(7);
        for (var i = 0; i < bytes.Length; i++)
        {
            // Any bit, and the one that makes a small letter of a capital.
            foreach (var mask in new[] { 1 << random.Next(8), 0x20 })
            {
                bytes[i] ^= (byte)mask;
                await File.WriteAllBytesAsync(path, bytes);
                var reading = () => Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
                await reading
                    .Should().ThrowAsync<CorruptArtifactException>($"byte {i} of {file} was flipped by {mask}");
                bytes[i] ^= (byte)mask;
            }
        }

        await File.WriteAllBytesAsync(path, bytes);
        await Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
    }

    [TestCase(".checkpoint-complete")]
    [TestCase(Volume + "/manifest.json")]
    [TestCase(Volume + "/dump.tar.zst")]
    public async Task Every_length_but_the_right_one_is_found(string file)
    {
        await SealedAsync();
        var path = Path.Combine(Root, Pod, Id, file);
        var bytes = await File.ReadAllBytesAsync(path);
        for (var length = 0; length < bytes.Length; length += 7)
        {
            await File.WriteAllBytesAsync(path, bytes[..length]);
            var reading = () => Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
            await reading.Should().ThrowAsync<CorruptArtifactException>($"{file} was cut to {length} bytes");
        }

        await File.WriteAllBytesAsync(path, [.. bytes, 0]);
        var longer = () => Store.Read(Store.FindSealed(Pod, Id, Volume)).VerifyAsync(CancellationToken.None);
        await longer.Should().ThrowAsync<CorruptArtifactException>();
    }

    [TestCase(".checkpoint-complete")]
    [TestCase(Volume + "/manifest.json")]
    [TestCase(Volume + "/dump.tar.zst")]
    public async Task Every_flipped_byte_is_named_by_a_check_of_the_store_and_quarantined(string file)
    {
        await SealedAsync();
        const string Neighbour = "20261121t003412z-000000";
        await Store.WriteAsync(
            Pod, Neighbour, Volume, new MemoryStream(new byte[1024]), new Origin(), new Progress<long>(),
            CancellationToken.None);
        Store.Seal(Pod, Neighbour, [Volume]);
        var inspection = new StoreInspection(Root, TimeProvider.System);
        var folder = Path.Combine(Root, Pod, Id);
        var bytes = await File.ReadAllBytesAsync(Path.Combine(folder, file));
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= (byte)(1 << (i % 8));
            await File.WriteAllBytesAsync(Path.Combine(folder, file), bytes);
            foreach (var checkpoint in inspection.List().ToList())
            {
                var findings = await inspection.CheckAsync(checkpoint, CancellationToken.None);
                if (checkpoint.CheckpointID == Neighbour)
                {
                    findings.Should().BeEmpty("it is not damaged");
                    continue;
                }

                findings.Should().Contain(
                    f => f.Broken && f.Path.StartsWith($"{Pod}/{Id}"), $"byte {i} of {file} was flipped");
                if (i % 16 != 0)
                {
                    continue;
                }

                var moved = (await inspection.QuarantineAsync(checkpoint, CancellationToken.None))!;
                inspection.Find(Pod, Id).Should().BeNull();
                (await File.ReadAllTextAsync(Path.Combine(moved, ".quarantine-reason")))
                    .Should().Contain($"{Pod}/{Id}");
                (await File.ReadAllBytesAsync(Path.Combine(moved, file))).Should().Equal(bytes);
                Directory.Move(moved, folder);
            }

            bytes[i] ^= (byte)(1 << (i % 8));
        }

        await File.WriteAllBytesAsync(Path.Combine(folder, file), bytes);
        (await inspection.CheckAsync(inspection.Find(Pod, Id)!, CancellationToken.None)).Should().BeEmpty();
        (await inspection.QuarantineAsync(inspection.Find(Pod, Id)!, CancellationToken.None))
            .Should().BeNull("it is whole");
    }

    [Test]
    public async Task A_manifest_does_not_decide_how_much_memory_is_reserved()
    {
        const int Largest = 64 << 20;
        var sealedOne = await SealedAsync();
        var manifest = sealedOne with
        {
            Frames = [.. Enumerable.Repeat(new Frame(Largest, Largest), 11)],
            Size = 11L * Largest, CompressedSize = 11L * Largest,
        };
        var path = Path.Combine(Root, Pod, Id, Volume, "dump.tar.zst");
        await using (var file = File.OpenWrite(path))
        {
            // All hole: nothing is stored for it.
            file.SetLength(manifest.CompressedSize);
        }

        var (ring, _) =
            new ArtifactReader(path, manifest, new StoreOptions { Workers = 8 }).Begin(CancellationToken.None);
        await using (ring)
        {
            ring.Reserved.Should().Be(
                2L * 2 * Largest, "two frames are enough to go on, and no more than that is promised to a manifest");
        }
    }

    [Test]
    public async Task What_we_write_ourselves_is_read_with_all_frames_in_flight()
    {
        // More frames than can be in flight, of bytes that do not shrink.
        var bytes = new byte[26 << 20];
        new Random(1).NextBytes(bytes);
        var options = new StoreOptions { Workers = 3 };
        Store = new CheckpointStore(Root, TimeProvider.System, options);
        using var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, leaveOpen: true))
        {
            await writer.WriteEntryAsync(
                new PaxTarEntry(TarEntryType.RegularFile, "noise") { DataStream = new MemoryStream(bytes) });
        }

        tar.Position = 0;
        var manifest = await WriteAsync(tar);

        var (ring, _) = Store.Read(manifest).Begin(CancellationToken.None);
        await using (ring)
        {
            ring.Reserved
                .Should().BeGreaterThanOrEqualTo(
                    options.FramesInFlight * 2L * options.EffectiveFrameSize).And.BeLessThan(
                    49 << 20);
        }
    }

    [TestCase(-1, 0)]
    [TestCase(1, 0)]
    [TestCase(0, 1)]
    [TestCase(0, -1)]
    [TestCase(1 << 30, 0)]
    [TestCase(int.MinValue, 0)]
    public async Task A_frame_is_as_large_as_the_manifest_says_or_refused(int more, int moreCompressed)
    {
        // As an attacker would: the sums are right, and only the frame is not.
        var manifest = await SealedAsync();
        var (first, second) = (manifest.Frames[0], manifest.Frames[1]);
        var lie = manifest with
        {
            Frames =
            [
                new Frame(unchecked(first.Size + more), first.CompressedSize + moreCompressed),
                new Frame(unchecked(second.Size - more), second.CompressedSize - moreCompressed),
                .. manifest.Frames.Skip(2),
            ],
        };
        var extracting = () => Store.Read(lie).ExtractAsync(Out, ExtractionOptions.Everything, CancellationToken.None);
        await extracting.Should().ThrowAsync<CorruptArtifactException>();
    }

    [Test]
    public async Task Sums_that_do_not_add_up_are_refused_before_anything_is_made()
    {
        var manifest = await SealedAsync();
        var extracting = () => Store.Read(manifest with { Size = manifest.Size - 512 })
            .ExtractAsync(Out, ExtractionOptions.Everything, CancellationToken.None);
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*do not add up*");
        Directory.EnumerateFileSystemEntries(Out).Should().BeEmpty();
    }

    [Test]
    public async Task A_wrong_digest_is_told_to_who_reads_frame_by_frame()
    {
        var manifest = await SealedAsync() with { Digest = "sha256:" + new string('0', 64) };
        var reading = () => Store.Read(manifest).ReadAsync(_ => ValueTask.CompletedTask, CancellationToken.None);
        (await reading.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*its manifest says sha256:000*");
    }

    private async Task<ContainerManifest> SealedAsync()
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, leaveOpen: true))
        {
            tar.WriteEntry(
                new PaxTarEntry(TarEntryType.RegularFile, "f") { DataStream = new MemoryStream(new byte[900]) });
        }

        stream.Position = 0;
        Store = new CheckpointStore(Root, TimeProvider.System, new StoreOptions { Workers = 2, FrameSize = 2048 });
        var manifest = await WriteAsync(stream);
        Store.Seal(Pod, Id, [Volume]);
        return manifest;
    }
}
