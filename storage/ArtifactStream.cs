using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Storage;

/// <summary>The outputs of a ring as a stream.</summary>
internal sealed class ArtifactStream(FrameRing ring, FrameCursor cursor, long length) : Stream
{
    private RingFrame? _frame;
    private int _offset;
    private long _position;
    private bool _ended;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length == 0 || _ended)
        {
            return 0;
        }

        cancellationToken.ThrowIfCancellationRequested();
        if (_frame is null)
        {
            try
            {
                _frame = await cursor.NextAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException exception)
            {
                // The stage that failed knows why.
                ring.Fail(exception);
            }

            if (_frame is null)
            {
                await ring.FinishAsync().ConfigureAwait(false);
                _ended = true;
                return 0;
            }
        }

        return Copy(_frame, buffer.Span);
    }

    public override int Read(Span<byte> buffer)
    {
        if (buffer.Length == 0 || _ended)
        {
            return 0;
        }

        if (_frame is null)
        {
            // The first byte of the next frame decides; the rest is there.
            var one = new byte[1];
            if (ReadAsync(one, CancellationToken.None).AsTask().GetAwaiter().GetResult() == 0)
            {
                return 0;
            }

            buffer[0] = one[0];
            return 1 + (_frame is null || buffer.Length == 1 ? 0 : Copy(_frame, buffer[1..]));
        }

        return Copy(_frame, buffer);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override async ValueTask DisposeAsync()
    {
        _ended = true;
        await ring.DisposeAsync().ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _ended = true;
            ring.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        base.Dispose(disposing);
    }

    private int Copy(RingFrame frame, Span<byte> buffer)
    {
        var count = Math.Min(buffer.Length, frame.OutputLength - _offset);
        frame.OutputBytes.Slice(_offset, count).CopyTo(buffer);
        _offset += count;
        _position += count;
        if (_offset == frame.OutputLength)
        {
            (_frame, _offset) = (null, 0);
            cursor.Done(frame);
        }

        return count;
    }
}
