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
        using var file = new FollowedArtifact(_path);
        var (buffered, size) = (0, 0L);
        var writerDone = false;
        while (true)
        {
            (buffered, size) = PublishFrames(ring, buffer, buffered, size);
            if (finished.IsCompleted && !writerDone)
            {
                // What there is now is all: seen by an open of its own.
                file.Close();
                writerDone = true;
            }

            var read = file.Read(buffer.GetSpan()[buffered..]);
            buffered += read;
            if (read > 0)
            {
                continue;
            }

            if (writerDone)
            {
                RequireWhole(file.Offset, buffered, finished);
                ring.Complete();
                return;
            }

            file.Close();
            WaitForMore(finished, ring.Stopping);
        }
    }

    /// <summary>Hands on the whole frames that the buffer begins with, and moves what is left to its start.</summary>
    /// <param name="ring">Where they go.</param>
    /// <param name="buffer">What has been read, and not been handed on.</param>
    /// <param name="buffered">How many bytes that is.</param>
    /// <param name="size">The bytes of the tar that have been handed on before.</param>
    /// <returns>Both as they are now.</returns>
    private (int Buffered, long Size) PublishFrames(FrameRing ring, NativeBuffer buffer, int buffered, long size)
    {
        var from = 0;
        while (FrameAt(buffer.GetSpan()[from..buffered]) is { } frame)
        {
            size += frame.Size;
            if (size > largest)
            {
                throw new IOException($"{_path} has more than {largest} bytes: no room");
            }

            var free = ring.NextFree();
            (free.InputLength, free.OutputLength) = (frame.CompressedSize, frame.Size);
            buffer.GetSpan().Slice(from, frame.CompressedSize).CopyTo(free.Input.GetSpan());
            ring.Publish(free);
            from += frame.CompressedSize;
        }

        buffer.GetSpan()[from..buffered].CopyTo(buffer.GetSpan());
        return (buffered - from, size);
    }

    private void RequireWhole(long offset, int buffered, Task<ContainerManifest> finished)
    {
        var expected = finished.GetAwaiter().GetResult().CompressedSize;
        if (buffered != 0 || offset != expected)
        {
            throw new CorruptArtifactException(
                $"{_path} has {offset} bytes, the last {buffered} of them no frame; its manifest says {expected}");
        }
    }

    private void WaitForMore(Task<ContainerManifest> finished, CancellationToken stopping)
    {
        Task.WhenAny(finished, Task.Delay(PollInterval(), time, stopping)).GetAwaiter().GetResult();
        stopping.ThrowIfCancellationRequested();
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

    private bool IsThere() => folders.All(Posix.Renew) && FollowedArtifact.IsThere(_path);
}
