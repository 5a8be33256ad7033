using Microsoft.Win32.SafeHandles;
using PodCheckpointing.Storage.Archives;
using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Storage;

/// <summary>Extracts an artifact while somebody, perhaps on another machine, still writes it.</summary>
/// <remarks>
/// Nothing that it reads is believed: what was made counts only where its compressed digest is that of the manifest,
/// which comes at the end. A writer that begins again, a volume that shows old bytes, or a file that is something else
/// altogether only cost the attempt. It waits for its writer with a look every few milliseconds, each with a new open,
/// for that is when a network file system asks its server (nfs(5), close-to-open); and it renews the folders on the
/// way, so that what it looks for too early is not taken for missing afterwards.
/// </remarks>
/// <param name="folders">The folders on the way to the artifact, from the volume's root on;
/// they need not be there yet.</param>
/// <param name="name">What it will be called; until then it is beside it, as .partial.</param>
/// <param name="largest">Bytes of the tar after which it gives up.</param>
/// <param name="time">The clock of its looks.</param>
public sealed class ArtifactFollower(IReadOnlyList<string> folders, string name, long largest, TimeProvider time)
{
    // Frames as large as any that our writer makes by default; workers for what is left when the writer has ended.
    private const int LargestFrame = 4 << 20;
    private const int Workers = 2;
    private const int FramesInFlight = Workers + 3;
    // Often at first: of a small pod each look is downtime. A large one writes for so long
    // that a network volume is better spared.
    private static readonly TimeSpan Small = TimeSpan.FromSeconds(2);
    private static readonly (TimeSpan Often, TimeSpan Seldom) PollIntervals =
        (TimeSpan.FromMilliseconds(2), TimeSpan.FromMilliseconds(4));
    private readonly long _since = time.GetTimestamp();
    private readonly string _path = Path.Combine(folders[^1], name);

    /// <summary>Extracts below a folder, which must exist, and must not be used unless this returns.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="extraction">What may be made.</param>
    /// <param name="finished">Ends with the manifest, when the writer has ended; where it
    /// fails, so does the extraction.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>What was extracted.</returns>
    /// <exception cref="CorruptArtifactException">It is not what the manifest says, or cannot be followed.</exception>
    /// <exception cref="IOException">The folder cannot be written, or the artifact not read.</exception>
    public async Task<ContainerManifest> ExtractAsync(
        string folder, ExtractionOptions extraction, Task<ContainerManifest> finished,
        CancellationToken cancellationToken)
    {
        // Before there is anything to read it needs no memory and no threads.
        while (!IsThere())
        {
            if (finished.IsCompleted)
            {
                await finished.ConfigureAwait(false);
                throw new CorruptArtifactException($"{_path} is missing");
            }

            await Task.WhenAny(finished, Task.Delay(PollInterval(), time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }

        using var extractor = new ArchiveExtractor(folder, extraction);
        var parser = new TarParser(extractor);
        var ring = new FrameRing(FramesInFlight, Zstd.Bound(LargestFrame), LargestFrame, cancellationToken);
        await using (ring.ConfigureAwait(false))
        {
            var (packed, tar) = (ring.OverInputs(), ring.OverOutputs());
            // Only the compressed digest is compared. It determines the tar, and zstd's checksums cover each frame.
            // Hashing the tar as well would take as long again, while the pod stands still.
            ring.Start(() => ArtifactReader.Compare(
                packed, compressed: true, _path, () => finished.GetAwaiter().GetResult()));
            ring.Start(() =>
            {
                while (tar.Next() is { } frame)
                {
                    parser.Take(frame.OutputBytes);
                    tar.Done(frame);
                }

                if (!parser.AtEnd)
                {
                    throw new CorruptArtifactException($"{_path}: the archive is cut short: it has no end marker");
                }

                extractor.Finish();
            });
            for (var i = 0; i < Workers; i++)
            {
                var zstd = new Zstd.Decompressor();
                ring.StartWorker(frame => FrameFile.Unpack(_path, zstd, frame.InputBytes, frame.OutputBytes), zstd);
            }

            ring.Start(() => Follow(ring, finished));
            await ring.FinishAsync().ConfigureAwait(false);
        }

        return await finished.ConfigureAwait(false);
    }

    /// <summary>The source: frame after frame, as they come.</summary>
    private void Follow(FrameRing ring, Task<ContainerManifest> finished)
    {
        using var buffer = new NativeBuffer(Zstd.Bound(LargestFrame));
        var (offset, size) = (0L, 0L);
        var (from, to) = (0, 0);
        SafeFileHandle? file = null;
        var last = false;
        try
        {
            while (true)
            {
                while (FrameAt(buffer.GetSpan()[from..to]) is { } whole)
                {
                    size += whole.Size;
                    var frame = size <= largest
                        ? ring.NextFree()
                        : throw new IOException($"{_path} has more than {largest} bytes: no room");
                    (frame.InputLength, frame.OutputLength) = (whole.CompressedSize, whole.Size);
                    buffer.GetSpan().Slice(from, whole.CompressedSize).CopyTo(frame.Input.GetSpan());
                    ring.Publish(frame);
                    from += whole.CompressedSize;
                }

                buffer.GetSpan()[from..to].CopyTo(buffer.GetSpan());
                (from, to) = (0, to - from);
                if (finished.IsCompleted && !last)
                {
                    // What there is now is all: seen by an open of its own.
                    file?.Dispose();
                    (file, last) = (null, true);
                }

                file ??= Open();
                var read = RandomAccess.Read(file, buffer.GetSpan()[to..], offset);
                (offset, to) = (offset + read, to + read);
                if (read > 0)
                {
                    continue;
                }

                if (last)
                {
                    var expected = finished.GetAwaiter().GetResult().CompressedSize;
                    if (to != 0 || offset != expected)
                    {
                        throw new CorruptArtifactException(
                            $"{_path} has {offset} bytes, the last {to} of them no frame; its manifest says "
                                + $"{expected}");
                    }

                    ring.Complete();
                    return;
                }

                file.Dispose();
                file = null;
                Task.WhenAny(finished, Task.Delay(PollInterval(), time, ring.Stopping)).GetAwaiter().GetResult();
                ring.Stopping.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            file?.Dispose();
        }
    }

    private TimeSpan PollInterval() => time.GetElapsedTime(_since) < Small ? PollIntervals.Often : PollIntervals.Seldom;

    private Frame? FrameAt(ReadOnlySpan<byte> bytes)
    {
        try
        {
            var frame = Zstd.FrameAt(bytes);
            return frame is { Size: > LargestFrame } || (frame is null && bytes.Length == Zstd.Bound(LargestFrame))
                ? throw new CorruptArtifactException($"{_path} has frames of more than {LargestFrame} bytes")
                : frame;
        }
        catch (InvalidDataException exception)
        {
            throw new CorruptArtifactException($"{_path}: {exception.Message}", exception);
        }
    }

    private bool IsThere() => folders.All(Posix.Renew) && (File.Exists(_path + ".partial") || File.Exists(_path));

    /// <summary>The artifact under its one name or, finished meanwhile, under the other; never locked, which would be
    /// in its writer's way.</summary>
    private SafeFileHandle Open()
    {
        try
        {
            return Posix.OpenUnlocked(_path + ".partial", write: false);
        }
        catch (IOException)
        {
            Posix.Renew(folders[^1]);
            return Posix.OpenUnlocked(_path, write: false);
        }
    }
}
