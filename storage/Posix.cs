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
    private const int Interrupted = 4;
    private const int WouldBlock = 11;
    private const int AccessDenied = 13;
    private const int Invalid = 22;
    private const int IllegalSeek = 29;
    private const int NotImplemented = 38;
    private const int ForceSync = 0x2000;
    private const uint ChangeTime = 0x80;
    private const int GetLock = 36;
    private const int SetLock = 37;
    private const short SharedLock = 0;
    private const short ExclusiveLock = 1;
    private const short NoLock = 2;

    /// <summary>Makes the names in a folder durable (fsync(2) of the folder).</summary>
    public static void SyncDirectory(string path)
    {
        int descriptor;
        do
        {
            descriptor = open(path, Archives.TreeCalls.FolderOnly | Archives.TreeCalls.CloseOnExec);
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == Interrupted);

        if (descriptor < 0)
        {
            throw new IOException(
                $"{path} cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
        }

        int result;
        do
        {
            result = fsync(descriptor);
        }
        while (result != 0 && Marshal.GetLastPInvokeError() == Interrupted);

        var (error, message) = (Marshal.GetLastPInvokeError(), Marshal.GetLastPInvokeErrorMessage());
        _ = close(descriptor);
        if (result != 0)
        {
            throw new IOException($"{path} cannot be synced: {message}", error);
        }
    }

    /// <summary>Whether there is anything of that name.</summary>
    /// <remarks>.NET answers no, too, when the volume fails to answer: what is not to be overwritten, or to be removed
    /// unless it is whole, must not be decided by that.</remarks>
    /// <exception cref="IOException">The volume fails to say.</exception>
    public static bool Exists(string path)
    {
        int error;
        do
        {
            error = access(path, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        while (error == Interrupted);

        return error switch
        {
            0 => true,
            Archives.TreeCalls.Enoent or Archives.TreeCalls.Enotdir => false,
            _ => throw new IOException($"{path} cannot be looked up: {Marshal.GetPInvokeErrorMessage(error)}", error),
        };
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
    public static void Forget(SafeFileHandle file, long offset, long length) =>
        _ = posix_fadvise(file, offset, length, DontNeed);

    /// <summary>Begins to write a range to the disk, without waiting.</summary>
    /// <exception cref="IOException">The disk fails, or is full.</exception>
    public static void BeginWriteBack(SafeFileHandle file, long offset, long length) =>
        SyncRange(file, offset, length, Write);

    /// <summary>Waits until a range is on the disk and drops it from memory.</summary>
    /// <exception cref="IOException">The disk fails, or is full.</exception>
    public static void FinishWriteBack(SafeFileHandle file, long offset, long length)
    {
        SyncRange(file, offset, length, WaitBefore | Write | WaitAfter);
        Forget(file, offset, length);
    }

    // The kernel tells an error of writing back once for each open file: whoever waits here takes it away from the
    // fsync at the end, which would then succeed over a hole.
    private static void SyncRange(SafeFileHandle file, long offset, long length, uint flags)
    {
        int error;
        do
        {
            error = sync_file_range(file, offset, length, flags) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        while (error == Interrupted);

        // These say that the call is not for this file, or not known here; it is advice, and the fsync does the work.
        if (error is not (0 or IllegalSeek or Invalid or NotImplemented))
        {
            throw new IOException(
                $"what was written does not reach the disk: {Marshal.GetPInvokeErrorMessage(error)}", error);
        }
    }

    /// <summary>Opens a file, made for its owner only where it is missing and is to be written.</summary>
    /// <remarks>.NET would lock it as a whole, which on NFS is in the way of <see cref="TryLock"/>.</remarks>
    public static SafeFileHandle OpenUnlocked(string path, bool write)
    {
        var flags = Archives.TreeCalls.CloseOnExec | (write ? 2 | Archives.TreeCalls.Create : 0);
        int descriptor;
        do
        {
            descriptor = Archives.TreeCalls.openat(
                Archives.TreeCalls.AtFdCwd, Archives.TreeCalls.Z(path), flags, (uint)WholeFile.OwnersFile);
        }
        while (descriptor < 0 && Marshal.GetLastPInvokeError() == Interrupted);

        return descriptor >= 0
            ? new SafeFileHandle(descriptor, ownsHandle: true)
            : throw new IOException(
                $"{path} cannot be opened: {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
    }

    /// <summary>Asks a network volume's server for what is known of a folder, so that names in it which this node has
    /// looked for in vain are looked for anew (statx(2), AT_STATX_FORCE_SYNC; nfs(5), lookupcache);
    /// false when it is not there.</summary>
    public static bool Renew(string folder)
    {
        // struct statx, of which nothing is read.
        var status = stackalloc byte[256];
        return statx(Archives.TreeCalls.AtFdCwd, folder, ForceSync, ChangeTime, status) == 0;
    }

    /// <summary>Locks one byte of a file for its open file description; false when somebody else holds it.</summary>
    public static bool TryLock(SafeFileHandle file, string path, long place, bool exclusive)
    {
        var range = new ByteRange { Type = exclusive ? ExclusiveLock : SharedLock, Start = place, Length = 1 };
        return Ask(file, path, SetLock, ref range);
    }

    /// <summary>Whether somebody else holds a lock on that byte.</summary>
    public static bool IsLocked(SafeFileHandle file, string path, long place)
    {
        var range = new ByteRange { Type = ExclusiveLock, Start = place, Length = 1 };
        return !Ask(file, path, GetLock, ref range) || range.Type != NoLock;
    }

    private static bool Ask(SafeFileHandle file, string path, int command, ref ByteRange range)
    {
        while (fcntl(file, command, ref range) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error is WouldBlock or AccessDenied)
            {
                return false;
            }

            if (error != Interrupted)
            {
                throw new IOException($"{path} cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}", error);
            }
        }

        return true;
    }

    // struct flock, the same on every 64-bit machine.
    [StructLayout(LayoutKind.Sequential)]
    private struct ByteRange
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Process;
    }

    /// <summary>Gives a file another name; false where that one is taken. Of several at once one succeeds, on NFS too:
    /// .NET's own move looks first and renames then, so that the last one wins.</summary>
    /// <exception cref="IOException">The file system refuses.</exception>
    internal static bool TryLink(string path, string other)
    {
        const int taken = 17; // EEXIST
        if (link(path, other) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error == taken
            ? false
            : throw new IOException($"{other} cannot be made: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle file, int command, ref ByteRange range);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int folder, string path, int flags, uint mask, byte* status);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string path, string other);

    [LibraryImport("libc")]
    private static partial void* mmap(
        void* address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc")]
    private static partial int munmap(void* address, nuint length);

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);

    [LibraryImport("libc")]
    private static partial int posix_fadvise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int sync_file_range(SafeFileHandle file, long offset, long length, uint flags);
}
