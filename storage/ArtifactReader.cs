using PodCheckpointing.Storage.Archives;
using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Storage;

/// <summary>Reads one artifact: whole, with every digest compared, or a part of it by its frames.</summary>
/// <param name="path">Where dump.tar.zst lies.</param>
/// <param name="manifest">What it has to be.</param>
/// <param name="options">How many workers decompress.</param>
public sealed class ArtifactReader(string path, ContainerManifest manifest, StoreOptions options)
{
    // As much as a pool of the largest default frames takes; two frames at least, of
    // which one is filled while one is read.
    private const long Pool = 48 << 20;

    private delegate void Piece(ReadOnlySpan<byte> bytes);

    /// <summary>What the artifact has to be.</summary>
    public ContainerManifest Manifest => manifest;

    /// <summary>Hands the tar to a sink, frame by frame; all has been compared when this returns.</summary>
    /// <remarks>Frames are decompressed ahead on all workers and both digests computed on the way. What the sink has
    /// been given cannot be trusted before.</remarks>
    /// <exception cref="CorruptArtifactException">The artifact is not what the manifest says.</exception>
    public async Task ReadAsync(Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancellationToken)
    {
        var (ring, tar) = Begin(cancellationToken);
        await using (ring.ConfigureAwait(false))
        {
            try
            {
                while (await tar.NextAsync().ConfigureAwait(false) is { } frame)
                {
                    await sink(frame.Output.Memory[..frame.OutputLength]).ConfigureAwait(false);
                    tar.Done(frame);
                }
            }
            catch (Exception exception)
            {
                ring.Fail(exception);
            }

            await ring.FinishAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Reads everything and keeps nothing.</summary>
    /// <exception cref="CorruptArtifactException">The artifact is not what the manifest says, or
    /// holds no whole archive.</exception>
    public Task VerifyAsync(CancellationToken cancellationToken)
    {
        var walker = new ArchiveWalker([], []);
        return ConsumeAsync(bytes => walker.Take(bytes), walker.Finish, cancellationToken);
    }

    /// <summary>Makes what the archive holds below a folder; zero blocks become holes.</summary>
    /// <remarks>
    /// The folder must exist, and must not be used unless this returns: what is wrong may show at the very end. Never
    /// more is written than the manifest's size.
    /// </remarks>
    /// <exception cref="CorruptArtifactException">The artifact is not what the manifest says, leads outside of the
    /// folder, or holds what the options do not allow.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public async Task ExtractAsync(string folder, ExtractionOptions extraction, CancellationToken cancellationToken)
    {
        using var extractor = new ArchiveExtractor(folder, extraction);
        var parser = new TarParser(extractor);
        await ConsumeAsync(
            bytes => parser.Take(bytes),
            () =>
            {
                if (!parser.AtEnd)
                {
                    throw new CorruptArtifactException($"{path}: the archive is cut short: it has no end marker");
                }

                extractor.Finish();
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens the artifact for single entries; only the frames that are touched
    /// are read and decompressed.</summary>
    /// <remarks>
    /// Those frames are compared with their own checksums and sizes; the digests of the whole are not: use
    /// <see cref="VerifyAsync"/> where that matters.
    /// </remarks>
    /// <exception cref="CorruptArtifactException">The file cannot be what the manifest says.</exception>
    public ArchiveBrowser Browse() => new(new FrameFile(path, manifest));

    internal (FrameRing Ring, FrameCursor Tar) Begin(CancellationToken cancellationToken)
    {
        var file = new FrameFile(path, manifest);
        var frames = manifest.Frames;
        // Not at the manifest's will. What does not shrink is a little larger compressed, which is not to cost a frame.
        var affordable = Pool / (file.LargestPlain + Math.Min(file.LargestPlain, file.LargestCompressed));
        var count = (int)Math.Min(
            Math.Clamp(affordable, 2, Math.Max(options.FramesInFlight, 2)), Math.Max(frames.Count, 1));
        var ring = new FrameRing(count, file.LargestCompressed, file.LargestPlain, cancellationToken);
        var packed = ring.OverInputs();
        var plain = ring.OverOutputs();
        var tar = ring.OverOutputs();
        ring.Start(() => Compare(packed, compressed: true, path, () => manifest));
        ring.Start(() => Compare(plain, compressed: false, path, () => manifest));
        for (var i = 0; i < Math.Min(options.Workers, Math.Max(frames.Count, 1)); i++)
        {
            StartWorker(ring);
        }

        // The source last: it must know everyone whom it wakes.
        ring.Start(() =>
        {
            using (file)
            {
                for (var i = 0; i < frames.Count; i++)
                {
                    var frame = ring.NextFree();
                    frame.InputLength = frames[i].CompressedSize;
                    frame.OutputLength = frames[i].Size;
                    file.ReadPacked(i, frame.InputBytes);
                    ring.Publish(frame);
                }
            }

            ring.Complete();
        });
        return (ring, tar);
    }

    // On a thread of its own: it is as busy as the workers are.
    private async Task ConsumeAsync(Piece take, Action finish, CancellationToken cancellationToken)
    {
        var (ring, tar) = Begin(cancellationToken);
        await using (ring.ConfigureAwait(false))
        {
            ring.Start(() =>
            {
                while (tar.Next() is { } frame)
                {
                    take(frame.OutputBytes);
                    tar.Done(frame);
                }

                finish();
            });
            await ring.FinishAsync().ConfigureAwait(false);
        }
    }

    private void StartWorker(FrameRing ring)
    {
        var zstd = new Zstd.Decompressor();
        ring.StartWorker(frame => FrameFile.Unpack(path, zstd, frame.InputBytes, frame.OutputBytes), zstd);
    }

    /// <summary>A stage that compares one digest with the manifest, which it asks for at the end.</summary>
    internal static void Compare(FrameCursor cursor, bool compressed, string path, Func<ContainerManifest> manifestOf)
    {
        using var hash = Digest.Begin();
        while (cursor.Next() is { } frame)
        {
            hash.AppendData(compressed ? frame.InputBytes : frame.OutputBytes);
            cursor.Done(frame);
        }

        var manifest = manifestOf();
        var (digest, expected) = (Digest.Finish(hash), compressed ? manifest.CompressedDigest : manifest.Digest);
        if (digest != expected)
        {
            throw new CorruptArtifactException(
                $"{path} has the {(compressed ? "compressed " : "")}digest {digest}; its manifest says {expected}");
        }
    }
}
