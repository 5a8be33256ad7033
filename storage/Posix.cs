using System.Runtime.InteropServices;

namespace PodCheckpointing.Storage;

/// <summary>What .NET has no call for.</summary>
internal static partial class Posix
{
    private const int Directory = 0x10000;

    /// <summary>Makes the names in a folder durable (fsync(2) of the folder).</summary>
    public static void SyncDirectory(string path)
    {
        var descriptor = open(path, Directory);
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

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int close(int descriptor);
}
