using System.Runtime.InteropServices;

namespace PodCheckpointing.Storage;

/// <summary>libzstd, which every Debian and Ubuntu carries: whole frames in one call, by
/// contexts that are reused.</summary>
internal static partial class Zstd
{
    private const string Library = "libzstd.so.1";
    private const int LongestHeader = 18;

    public static int Bound(int size) => checked((int)ZSTD_compressBound((nuint)size));

    /// <summary>The sizes of the frame that a buffer begins with; null while the
    /// buffer does not hold all of it.</summary>
    /// <exception cref="InvalidDataException">No frame begins there, or it does not say its plain size.</exception>
    public static Frame? FrameAt(ReadOnlySpan<byte> buffer)
    {
        var size = ZSTD_getFrameContentSize(buffer, (nuint)buffer.Length);
        if (size > int.MaxValue)
        {
            // A part of a header says nothing either.
            return buffer.Length < LongestHeader
                ? null
                : throw new InvalidDataException("zstd: no frame begins here that says its size");
        }

        var packed = ZSTD_findFrameCompressedSize(buffer, (nuint)buffer.Length);
        return ZSTD_isError(packed) == 0 ? new Frame((int)size, checked((int)packed)) : null;
    }

    private static int Check(nuint result) =>
        ZSTD_isError(result) == 0
            ? checked((int)result)
            : throw new InvalidDataException($"zstd: {Marshal.PtrToStringUTF8(ZSTD_getErrorName(result))}");

    /// <summary>Compresses frames of one level, one at a time.</summary>
    public sealed class Compressor : IDisposable
    {
        private const int CompressionLevel = 100;
        private const int HashLog = 102;
        private const int ChecksumFlag = 201;
        private readonly ContextHandle _context = new(ZSTD_createCCtx(), ZSTD_freeCCtx);

        public Compressor(int level)
        {
            if (level == 1)
            {
                // 32 KiB instead of 64: with the data beside it, the table stays in the first-level cache. Some 5 %
                // less time for about 1 % more bytes.
                Check(ZSTD_CCtx_setParameter(_context.Pointer, HashLog, 13));
            }

            // The checksum is what a reader of a part has: the SHA-256 are over the whole.
            Check(ZSTD_CCtx_setParameter(_context.Pointer, CompressionLevel, level));
            Check(ZSTD_CCtx_setParameter(_context.Pointer, ChecksumFlag, 1));
        }

        public int Compress(ReadOnlySpan<byte> source, Span<byte> target) =>
            Check(ZSTD_compress2(_context.Pointer, target, (nuint)target.Length, source, (nuint)source.Length));

        public void Dispose() => _context.Dispose();
    }

    /// <summary>Decompresses frames, one at a time, and compares their checksums.</summary>
    public sealed class Decompressor : IDisposable
    {
        private readonly ContextHandle _context = new(ZSTD_createDCtx(), ZSTD_freeDCtx);

        public int Decompress(ReadOnlySpan<byte> source, Span<byte> target) =>
            Check(ZSTD_decompressDCtx(_context.Pointer, target, (nuint)target.Length, source, (nuint)source.Length));

        public void Dispose() => _context.Dispose();
    }

    private sealed class ContextHandle : SafeHandle
    {
        private readonly Func<nint, nuint> _free;

        public ContextHandle(nint context, Func<nint, nuint> free)
            : base(0, ownsHandle: true)
        {
            _free = free;
            SetHandle(context != 0 ? context : throw new InsufficientMemoryException("zstd: no memory for a context"));
        }

        public override bool IsInvalid => handle == 0;

        public nint Pointer => !IsClosed ? handle : throw new ObjectDisposedException(nameof(Zstd));

        protected override bool ReleaseHandle() => ZSTD_isError(_free(handle)) == 0;
    }

    [LibraryImport(Library)]
    private static partial nint ZSTD_createCCtx();

    [LibraryImport(Library)]
    private static partial nuint ZSTD_freeCCtx(nint context);

    [LibraryImport(Library)]
    private static partial nuint ZSTD_CCtx_setParameter(nint context, int parameter, int value);

    [LibraryImport(Library)]
    private static partial nuint ZSTD_compress2(
        nint context, Span<byte> target, nuint capacity, ReadOnlySpan<byte> source, nuint size);

    [LibraryImport(Library)]
    private static partial nint ZSTD_createDCtx();

    [LibraryImport(Library)]
    private static partial nuint ZSTD_freeDCtx(nint context);

    [LibraryImport(Library)]
    private static partial nuint ZSTD_decompressDCtx(
        nint context, Span<byte> target, nuint capacity, ReadOnlySpan<byte> source, nuint size);

    [LibraryImport(Library)]
    private static partial nuint ZSTD_compressBound(nuint size);

    [LibraryImport(Library)]
    private static partial ulong ZSTD_getFrameContentSize(ReadOnlySpan<byte> source, nuint size);

    [LibraryImport(Library)]
    private static partial nuint ZSTD_findFrameCompressedSize(ReadOnlySpan<byte> source, nuint size);

    [LibraryImport(Library)]
    private static partial uint ZSTD_isError(nuint code);

    [LibraryImport(Library)]
    private static partial nint ZSTD_getErrorName(nuint code);
}
