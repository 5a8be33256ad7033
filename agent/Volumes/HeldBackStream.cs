namespace PodCheckpointing.Agent.Volumes;

/// <summary>What a program writes, its last bytes only when it has ended well: an archive
/// without its end is no archive.</summary>
/// <param name="output">What it writes.</param>
/// <param name="ended">Is awaited at the end of that; throws where the program failed.</param>
internal sealed class HeldBackStream(Stream output, Func<Task> ended) : Stream
{
    /// <summary>tar's end marker and padding lie within its last two records of 20 blocks.</summary>
    internal const int HeldBack = 2 * 20 * 512;

    private readonly byte[] _buffer = new byte[HeldBack + (256 * 1024)];
    private int _start;
    private int _end;
    private bool _ended;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!_ended && _end - _start <= HeldBack)
        {
            if (_start > 0)
            {
                _buffer.AsSpan(_start.._end).CopyTo(_buffer);
                (_start, _end) = (0, _end - _start);
            }

            var read = await output.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
            _end += read;
            if (read == 0)
            {
                await ended();
                _ended = true;
            }
        }

        var given = Math.Min(buffer.Length, _ended ? _end - _start : _end - _start - HeldBack);
        _buffer.AsMemory(_start, given).CopyTo(buffer);
        _start += given;
        return given;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }
}
