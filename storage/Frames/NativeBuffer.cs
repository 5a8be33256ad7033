using System.Buffers;

namespace PodCheckpointing.Storage.Frames;

/// <summary>Page-aligned memory outside the managed heap; given back to the system at once when disposed.</summary>
internal sealed unsafe class NativeBuffer : MemoryManager<byte>
{
    private byte* _start;

    public NativeBuffer(int size)
    {
        // Rounded to whole pages; Map advises huge ones.
        Length = size;
        _start = Posix.Map(Reserved);
    }

    public int Length { get; }

    private nuint Reserved => (nuint)(((long)Math.Max(Length, 1) + 4095) / 4096 * 4096);

    public override Span<byte> GetSpan() =>
        _start is not null ? new Span<byte>(_start, Length) : throw new ObjectDisposedException(nameof(NativeBuffer));

    public override MemoryHandle Pin(int elementIndex = 0) => new(_start + elementIndex);

    public override void Unpin()
    {
        // It never moves.
    }

    protected override void Dispose(bool disposing)
    {
        var start = _start;
        _start = null;
        if (start is not null)
        {
            Posix.Unmap(start, Reserved);
        }
    }
}
