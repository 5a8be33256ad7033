using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Storage.Frames;

/// <summary>Appends to a file in large, aligned writes that are pushed to the disk
/// while the next ones are made.</summary>
/// <remarks>
/// At most two windows are dirty at any time, so that neither the node's page cache fills nor the fsync at the end has
/// much to do.
/// </remarks>
internal sealed class WriteBehind(SafeFileHandle file, string path, bool drop) : IDisposable
{
    private const int WriteSize = 1 << 20;
    private const long Window = 16 << 20;
    private readonly NativeBuffer _buffer = new(WriteSize);
    private int _filled;
    private int _shown;
    private long _written;
    private long _pushed;

    /// <summary>Bytes appended so far.</summary>
    public long Length => _written + _filled;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = Math.Min(bytes.Length, WriteSize - _filled);
            bytes[..count].CopyTo(_buffer.GetSpan()[_filled..]);
            _filled += count;
            bytes = bytes[count..];
            if (_filled == WriteSize)
            {
                Write();
            }
        }
    }

    /// <summary>Writes what is left and waits until all is durable.</summary>
    public void Finish()
    {
        WriteRest();
        if (drop)
        {
            SyncAndDrop(file, path);
        }
        else
        {
            Sync(file, path);
        }
    }

    /// <summary>Writes what is left; <see cref="Sync"/> is the caller's business.</summary>
    public void WriteRest() => Write();

    /// <summary>Lets who reads the file see all that was appended; the next writes are as aligned as before.</summary>
    public void Show()
    {
        if (_shown < _filled)
        {
            WithPathInError(
                path, () => RandomAccess.Write(file, _buffer.GetSpan()[_shown.._filled], _written + _shown));
            _shown = _filled;
        }
    }

    /// <summary>Waits until all that was written to a file is durable.</summary>
    public static void Sync(SafeFileHandle file, string path) =>
        WithPathInError(path, () => RandomAccess.FlushToDisk(file));

    /// <summary>Waits until all that was written to a file is durable, and drops it from memory.</summary>
    public static void SyncAndDrop(SafeFileHandle file, string path)
    {
        Sync(file, path);
        Posix.Forget(file, 0, 0);
    }

    public void Dispose() => ((IDisposable)_buffer).Dispose();

    private void Write()
    {
        Show();
        _written += _filled;
        (_filled, _shown) = (0, 0);
        if (drop && _written - _pushed >= Window)
        {
            WithPathInError(path, () => Posix.BeginWriteBack(file, _pushed, Window));
            if (_pushed >= Window)
            {
                WithPathInError(path, () => Posix.FinishWriteBack(file, _pushed - Window, Window));
            }

            _pushed += Window;
        }
    }

    private static void WithPathInError(string path, Action action)
    {
        try
        {
            action();
        }
        catch (IOException exception) when (!exception.Message.Contains(path, StringComparison.Ordinal))
        {
            throw new IOException($"{path}: {exception.Message}", exception.HResult);
        }
    }
}
