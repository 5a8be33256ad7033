using Microsoft.Win32.SafeHandles;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Storage.Frames;

/// <summary>Streams a tar into a file of independent zstd frames; says what was written,
/// which is not durable yet.</summary>
/// <remarks>
/// Stages, each on its own: the source fills frames and is walked; the plain digest; the workers; the compressed
/// digest; the file. All memory is the ring's, whatever the size of the tar.
/// </remarks>
internal sealed class ArtifactWriter(StoreOptions options, ArchiveWalker walker, IProgress<long> progress)
{
    private const long FirstFrame = 256 << 10;
    private readonly List<Frame> _frames = [];
    private long _size;
    private string _plainDigest = "";
    private string _packedDigest = "";

    public async Task<ContainerManifest> WriteAsync(
        Stream tar, SafeFileHandle file, string path, CancellationToken cancellationToken)
    {
        var frameSize = options.EffectiveFrameSize;
        var ring = new FrameRing(options.FramesInFlight, frameSize, Zstd.Bound(frameSize), cancellationToken);
        await using (ring.ConfigureAwait(false))
        {
            var plain = ring.OverInputs();
            var packed = ring.OverOutputs();
            var written = ring.OverOutputs();
            ring.Start(() => _plainDigest = Hash(plain, frame => frame.InputBytes));
            ring.Start(() => _packedDigest = Hash(packed, frame => frame.OutputBytes));
            ring.Start(() => Write(written, file, path));
            for (var i = 0; i < options.Workers; i++)
            {
                StartWorker(ring, frameSize);
            }

            try
            {
                await FillAsync(ring, tar, frameSize).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                ring.Fail(exception);
            }

            await ring.FinishAsync().ConfigureAwait(false);
        }

        return new ContainerManifest
        {
            Size = _size,
            Digest = _plainDigest,
            CompressedSize = _frames.Sum(f => (long)f.CompressedSize),
            CompressedDigest = _packedDigest,
            Frames = _frames,
        };
    }

    private static string Hash(FrameCursor cursor, Func<RingFrame, Span<byte>> part)
    {
        using var hash = Digest.Begin();
        while (cursor.Next() is { } frame)
        {
            hash.AppendData(part(frame));
            cursor.Done(frame);
        }

        return Digest.Finish(hash);
    }

    private void StartWorker(FrameRing ring, int frameSize)
    {
        var zstd = new Zstd.Compressor(options.Level);
        byte[]? zeros = null;
        ring.StartWorker(
            frame =>
            {
                // A process has whole megabytes that it never touched: their frame is always the same.
                if (frame.InputLength == frameSize && frame.InputBytes.IndexOfAnyExcept((byte)0) < 0)
                {
                    zeros ??= frame.Output.GetSpan()[..zstd.Compress(frame.InputBytes, frame.Output.GetSpan())]
                        .ToArray();
                    zeros.CopyTo(frame.Output.GetSpan());
                    frame.OutputLength = zeros.Length;
                }
                else
                {
                    frame.OutputLength = zstd.Compress(frame.InputBytes, frame.Output.GetSpan());
                }
            },
            zstd);
    }

    private async Task FillAsync(FrameRing ring, Stream tar, int frameSize)
    {
        for (var number = 0; !walker.AtEnd; number++)
        {
            var frame = await ring.NextFreeAsync().ConfigureAwait(false);
            // The small ones first: of a small archive, most has been written, and read
            // by who follows, when its end comes.
            var size = (int)Math.Min(frameSize, FirstFrame << Math.Min(number / 2, 16));
            var read = await tar.ReadAtLeastAsync(
                frame.Input.Memory[..size], size, throwOnEndOfStream: false, ring.Stopping).ConfigureAwait(false);
            // Behind the end marker a longer, older file may show its tail: it is not part of the archive.
            var used = walker.Take(frame.Input.GetSpan()[..read]);
            if (used == 0)
            {
                break;
            }

            frame.InputLength = used;
            _size += used;
            ring.Publish(frame);
            progress.Report(_size);
        }

        walker.Finish();
        ring.Complete();
    }

    private void Write(FrameCursor cursor, SafeFileHandle file, string path)
    {
        using var output = new WriteBehind(file, path, options.DropFromMemory);
        while (cursor.Next() is { } frame)
        {
            output.Append(frame.OutputBytes);
            output.Show();
            _frames.Add(new Frame(frame.InputLength, frame.OutputLength));
            cursor.Done(frame);
        }

        output.WriteRest();
    }
}
