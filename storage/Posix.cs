using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Storage;

/// <summary>What .NET has no call for.</summary>
internal static unsafe partial class Posix
{
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;
    private const int HugePages = 14;
    private const int Sequential = 2;
    private const int DontNeed = 4;
    private const uint WaitBefore = 1;
    private const uint Write = 2;
    private const uint WaitAfter = 4;

    /// <summary>Makes the names in a folder durable (fsync(2) of the folder).</summary>
    public static void SyncDirectory(string path)
    {
        var descriptor = open(path, Archives.TreeCalls.FolderOnly);
        if (descriptor < 0)
        {
            throw new IOException($"{path} cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        var result = fsync(descriptor);
        var error = Marshal.GetLastPInvokeErrorMessage();
        _ = close(descriptor);
        if (result != 0)
        {
            throw new IOException($"{path} cannot be synced: {error}");
        }
    }

    /// <summary>Zeroed memory, whole pages of it.</summary>
    public static byte* Map(nuint size)
    {
        var memory = mmap(null, size, ReadWrite, PrivateAnonymous, -1, 0);
        if (memory == (void*)-1)
        {
            throw new InsufficientMemoryException($"no memory for a buffer of {size} bytes");
        }

        // Advice only: fewer faults and address translations for what streams by.
        _ = madvise(memory, size, HugePages);
        return (byte*)memory;
    }

    /// <summary>Gives <see cref="Map"/>'s memory back.</summary>
    public static void Unmap(byte* memory, nuint size) => _ = munmap(memory, size);

    /// <summary>A file is about to be read from its start to its end.</summary>
    public static void WillReadOnce(SafeFileHandle file) => _ = posix_fadvise(file, 0, 0, Sequential);

    /// <summary>What was read of a file is not needed in memory again.</summary>
    public static void Forget(SafeFileHandle file, long offset, long length) => _ = posix_fadvise(file, offset, length, DontNeed);

    /// <summary>Begins to write a range to the disk, without waiting.</summary>
    /// <remarks>Advice: a file system that cannot do it answers at the fsync, and so does one whose disk fails.</remarks>
    public static void BeginWriteBack(SafeFileHandle file, long offset, long length) =>
        _ = sync_file_range(file, offset, length, Write);

    /// <summary>Waits until a range is on the disk and drops it from memory.</summary>
    public static void FinishWriteBack(SafeFileHandle file, long offset, long length)
    {
        _ = sync_file_range(file, offset, length, WaitBefore | Write | WaitAfter);
        Forget(file, offset, length);
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int descriptor);

    [LibraryImport("libc")]
    private static partial void* mmap(void* address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint length);

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);

    [LibraryImport("libc")]
    private static partial int posix_fadvise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc")]
    private static partial int sync_file_range(SafeFileHandle file, long offset, long length, uint flags);
}
