using System.Formats.Tar;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Unit.Storage;

/// <summary>Whatever goes in comes out, for generated archives; a failure names its seed.</summary>
public sealed class RoundTripTests : StoreFolder
{
    [Test]
    public async Task Any_archive_comes_back_byte_by_byte([Range(1, 40)] int seed)
    {
        var random = new Random(seed);
        var (tar, files) = Archive(random);
        // Frames of any size, also of one that no header's block fits.
        Store = new CheckpointStore(
            Root, TimeProvider.System,
            new StoreOptions { Workers = random.Next(1, 5), FrameSize = random.Next(400, 200_000) });

        var manifest = await WriteAsync(new Trickle(tar, random));

        var back = await ReadAsync(manifest);
        back.AsSpan().SequenceEqual(tar.AsSpan(0, back.Length)).Should().BeTrue();
        tar.AsSpan(back.Length).IndexOfAnyExcept((byte)0).Should().Be(-1, "only padding may be left away");
        manifest.Frames.Sum(f => (long)f.Size).Should().Be(manifest.Size);
        await Store.Read(manifest).ExtractAsync(Out, Archives, CancellationToken.None);
        using var browser = Store.Read(manifest).Browse();
        foreach (var (name, content) in files)
        {
            (await File.ReadAllBytesAsync(Path.Combine(Out, name))).AsSpan().SequenceEqual(content)
                .Should().BeTrue(name);
            using var single = new MemoryStream();
            await browser.CopyAsync(browser.Find(name, CancellationToken.None)!, single, CancellationToken.None);
            single.ToArray().AsSpan().SequenceEqual(content).Should().BeTrue(name);
        }
    }

    [Test]
    public async Task One_file_is_taken_out_without_reading_the_others()
    {
        var large = new byte[8 << 20];
        new Random(2).NextBytes(large);
        var tar = Tar(("first", large), ("wanted", "here"u8.ToArray()), ("last", large));
        var manifest = await WriteAsync(new MemoryStream(tar));

        using var browser = Store.Read(manifest).Browse();
        using var content = new MemoryStream();
        await browser.CopyAsync(browser.Find("wanted", CancellationToken.None)!, content, CancellationToken.None);

        content.ToArray().Should().Equal("here"u8.ToArray());
        manifest.Frames.Count.Should().BeGreaterThan(250);
        browser.FramesRead.Should().BeLessThanOrEqualTo(4);
        browser.Entries(CancellationToken.None).Select(e => e.Path).Should().Equal("first", "wanted", "last");
        browser.FramesRead.Should().BeLessThanOrEqualTo(10);
    }

    [Test]
    public async Task A_single_file_is_refused_when_its_frame_was_changed()
    {
        var manifest =
            await WriteAsync(new MemoryStream(Tar(("f", new byte[100_000]), ("wanted", "here"u8.ToArray()))));
        var path = Path.Combine(Root, Pod, Id, Volume, "dump.tar.zst");
        var bytes = await File.ReadAllBytesAsync(path);
        // The last four bytes of a frame are its checksum; a flip there is a flip that nothing else can see.
        bytes[manifest.Frames[0].CompressedSize - 1] ^= 1;
        await File.WriteAllBytesAsync(path, bytes);

        using var browser = Store.Read(manifest).Browse();
        var finding = () => browser.Find("wanted", CancellationToken.None);
        finding.Should().Throw<CorruptArtifactException>().WithMessage("*checksum*");
    }

    private static readonly PodCheckpointing.Storage.Archives.ExtractionOptions Archives = new();

    private static (byte[] Tar, List<(string Name, byte[] Content)> Files) Archive(Random random)
    {
        var files = new List<(string, byte[])>();
        for (var i = random.Next(0, 12); i >= 0; i--)
        {
            var content = new byte[random.Next(4) switch { 0 =>
                0, 1 => random.Next(2000), 2 => 512 * random.Next(40), _ => random.Next(400_000) }];
            for (var at = 0; at < content.Length;)
            {
                // Runs of noise, of zeros and of one byte.
                var run = Math.Min(content.Length - at, random.Next(1, 60_000));
                if (random.Next(3) is var kind and > 0)
                {
                    random.NextBytes(content.AsSpan(at, run));
                    if (kind == 1)
                    {
                        content.AsSpan(at, run).Fill(content[at]);
                    }
                }

                at += run;
            }

            files.Add(($"{new string('d', random.Next(1, 120))}/{i}", content));
        }

        return ([.. Tar([.. files]), .. new byte[512 * random.Next(0, 20)]], files);
    }

    private static byte[] Tar(params (string Name, byte[] Content)[] files)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, leaveOpen: true))
        {
            foreach (var (name, content) in files)
            {
                tar.WriteEntry(
                    new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
            }
        }

        return stream.ToArray();
    }

    /// <summary>Gives few bytes at a time, as a pipe does.</summary>
    private sealed class Trickle(byte[] bytes, Random random) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, random.Next(1, 30_000))], cancellationToken);
    }
}
