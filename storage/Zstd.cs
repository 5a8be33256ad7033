using System.Runtime.InteropServices;

namespace PodCheckpointing.Storage;

/// <summary>libzstd, which every Debian and Ubuntu carries: frames are compressed and decompressed in one call.</summary>
internal static partial class Zstd
{
    private const string Library = "libzstd.so.1";

    public static int Bound(int size) => checked((int)ZSTD_compressBound((nuint)size));

    public static int Compress(ReadOnlySpan<byte> source, Span<byte> target, int level) =>
        Check(ZSTD_compress(target, (nuint)target.Length, source, (nuint)source.Length, level));

    public static int Decompress(ReadOnlySpan<byte> source, Span<byte> target) =>
        Check(ZSTD_decompress(target, (nuint)target.Length, source, (nuint)source.Length));

    private static int Check(nuint result) =>
        ZSTD_isError(result) == 0
            ? checked((int)result)
            : throw new InvalidDataException($"zstd: {Marshal.PtrToStringUTF8(ZSTD_getErrorName(result))}");

    [LibraryImport(Library)]
    private static partial nuint ZSTD_compressBound(nuint size);

    [LibraryImport(Library)]
    private static partial nuint ZSTD_compress(Span<byte> target, nuint capacity, ReadOnlySpan<byte> source, nuint size, int level);

    [LibraryImport(Library)]
    private static partial nuint ZSTD_decompress(Span<byte> target, nuint capacity, ReadOnlySpan<byte> source, nuint size);

    [LibraryImport(Library)]
    private static partial uint ZSTD_isError(nuint code);

    [LibraryImport(Library)]
    private static partial nint ZSTD_getErrorName(nuint code);
}
