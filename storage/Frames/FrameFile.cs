using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Storage.Frames;

/// <summary>The frames of an artifact's file, by the index in its manifest, which is
/// checked before it is used.</summary>
internal sealed class FrameFile : IDisposable
{
    // Larger than any version wrote; a manifest must not make us reserve memory at its will.
    public const int LargestFrame = 64 << 20;
    private readonly SafeFileHandle _file;
    private readonly string _path;
    private readonly long[] _offsets;

    public FrameFile(string path, ContainerManifest manifest)
    {
        _path = path;
        Manifest = manifest;
        _offsets = new long[manifest.Frames.Count];
        Starts = new long[manifest.Frames.Count];
        long size = 0, compressed = 0;
        for (var i = 0; i < _offsets.Length; i++)
        {
            var frame = manifest.Frames[i];
            if (frame.Size is <= 0 or > LargestFrame
                || frame.CompressedSize <= 0
                || frame.CompressedSize > Zstd.Bound(frame.Size))
            {
                throw new CorruptArtifactException(
                    $"{path}: the manifest names a frame of {frame.Size} bytes, {frame.CompressedSize} compressed");
            }

            (_offsets[i], Starts[i]) = (compressed, size);
            size += frame.Size;
            compressed += frame.CompressedSize;
            LargestPlain = Math.Max(LargestPlain, frame.Size);
            LargestCompressed = Math.Max(LargestCompressed, frame.CompressedSize);
        }

        if (size != manifest.Size || compressed != manifest.CompressedSize)
        {
            throw new CorruptArtifactException($"{path}: the manifest's frames do not add up to its sizes");
        }

        _file = Open(path, compressed);
    }

    public ContainerManifest Manifest { get; }

    public int LargestPlain { get; } = 1;

    public int LargestCompressed { get; } = 1;

    /// <summary>Where each frame begins in the tar.</summary>
    public long[] Starts { get; }

    /// <summary>How many frames were decompressed by <see cref="Read"/>.</summary>
    public int FramesRead { get; private set; }

    public static void Unpack(string path, Zstd.Decompressor zstd, ReadOnlySpan<byte> packed, Span<byte> plain)
    {
        int size;
        try
        {
            size = zstd.Decompress(packed, plain);
        }
        catch (InvalidDataException exception)
        {
            throw new CorruptArtifactException($"{path}: {exception.Message}", exception);
        }

        if (size != plain.Length)
        {
            throw new CorruptArtifactException($"{path}: a frame has {size} bytes; the manifest says {plain.Length}");
        }
    }

    /// <summary>Reads one frame as it lies in the file.</summary>
    public void ReadPacked(int index, Span<byte> packed)
    {
        for (var done = 0; done < packed.Length;)
        {
            var read = RandomAccess.Read(_file, packed[done..], _offsets[index] + done);
            done += read > 0 ? read : throw new CorruptArtifactException($"{_path} ends within frame {index}");
        }
    }

    /// <summary>Reads and decompresses one frame.</summary>
    public byte[] Read(int index, Zstd.Decompressor zstd)
    {
        var frame = Manifest.Frames[index];
        var packed = new byte[frame.CompressedSize];
        var plain = new byte[frame.Size];
        ReadPacked(index, packed);
        Unpack(_path, zstd, packed, plain);
        FramesRead++;
        return plain;
    }

    public void Dispose() => _file.Dispose();

    private static SafeFileHandle Open(string path, long length)
    {
        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CorruptArtifactException($"{path} is missing", exception);
        }

        var actual = RandomAccess.GetLength(file);
        if (actual != length)
        {
            file.Dispose();
            throw new CorruptArtifactException($"{path} has {actual} bytes; its manifest says {length}");
        }

        Posix.WillReadOnce(file);
        return file;
    }
}
