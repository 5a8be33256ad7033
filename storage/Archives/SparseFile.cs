using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Storage.Archives;

/// <summary>Fills a new file in order and leaves holes where whole blocks are zero.</summary>
internal sealed class SparseFile(SafeFileHandle file, string path) : IDisposable
{
    private const int Block = 4096;
    private long _position;
    private bool _endsInHole;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        // Data is collected over blocks, so that a page of zeros costs no call and a megabyte of data one.
        var from = 0;
        for (var at = 0; at < bytes.Length;)
        {
            var step = (int)Math.Min(bytes.Length - at, Block - ((_position + at) % Block));
            if (bytes.Slice(at, step).IndexOfAnyExcept((byte)0) < 0)
            {
                Write(bytes[from..at], _position + from);
                from = at + step;
            }

            at += step;
        }

        Write(bytes[from..], _position + from);
        _endsInHole = from == bytes.Length;
        _position += bytes.Length;
    }

    /// <summary>Gives the file its length.</summary>
    public void Finish()
    {
        if (_endsInHole)
        {
            RandomAccess.SetLength(file, _position);
        }
    }

    public void Dispose() => file.Dispose();

    private void Write(ReadOnlySpan<byte> bytes, long offset)
    {
        if (bytes.Length == 0)
        {
            return;
        }

        try
        {
            RandomAccess.Write(file, bytes, offset);
        }
        catch (IOException exception)
        {
            // .NET has no name for a file that was opened by its folder.
            throw new IOException($"{path}: {exception.Message}", exception.HResult);
        }
    }
}
