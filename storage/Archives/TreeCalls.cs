using System.Runtime.InteropServices;
using System.Text;

namespace PodCheckpointing.Storage.Archives;

/// <summary>System calls on names within an open folder.</summary>
internal static unsafe partial class TreeCalls
{
    public const int Enoent = 2;
    public const int Eexist = 17;
    public const int Enotdir = 20;
    public const int Eisdir = 21;
    public const int Eloop = 40;
    /// <summary>In the place of a folder's descriptor: names begin at the process' own.</summary>
    public const int AtFdCwd = -100;

    public const int SymlinkNoFollow = 0x100;
    public const int WriteOnly = 1;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000;

    // What mknodat makes: S_IFIFO, S_IFCHR, S_IFBLK.
    public const uint Fifo = 0x1000;
    public const uint CharacterDevice = 0x2000;
    public const uint BlockDevice = 0x6000;

    // Arm swaps these with what are other flags elsewhere.
    private static readonly bool Arm = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    public static int FolderOnly { get; } = Arm ? 0x4000 : 0x10000;

    public static int NoFollow { get; } = Arm ? 0x8000 : 0x20000;

    public static IOException Failure(string what, int error) =>
        new($"{what}: {Marshal.GetPInvokeErrorMessage(error)}", error);

    /// <summary>Throws unless the call that gave this result succeeded.</summary>
    public static void Check(int result, string what)
    {
        if (result < 0)
        {
            throw Failure(what, Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>A name as C wants it.</summary>
    public static byte[] Z(ReadOnlySpan<byte> name) => [.. name, 0];

    public static byte[] Z(string name) => Z(Encoding.UTF8.GetBytes(name));

    /// <summary>The access time is left as it is.</summary>
    public static Times ModifiedAt(Int128 nanoseconds)
    {
        var seconds = (long)(nanoseconds / 1_000_000_000);
        var rest = (long)(nanoseconds % 1_000_000_000);
        return rest < 0 ? new Times(0, Omit, seconds - 1, rest + 1_000_000_000) : new Times(0, Omit, seconds, rest);
    }

    private const long Omit = 0x3ffffffe;

    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Times(long AccessSeconds, long AccessNanoseconds, long Seconds, long Nanoseconds);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int open(byte[] path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int openat(int folder, byte[] name, int flags, uint mode);

    [LibraryImport("libc")]
    public static partial int close(int descriptor);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mkdirat(int folder, byte[] name, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int symlinkat(byte[] target, int folder, byte[] name);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int linkat(int oldFolder, byte[] oldName, int folder, byte[] name, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mknodat(int folder, byte[] name, uint mode, ulong device);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int unlinkat(int folder, byte[] name, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fchownat(int folder, byte[] name, uint user, uint group, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fchmodat(int folder, byte[] name, uint mode, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int utimensat(int folder, byte[] name, in Times times, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int lsetxattr(byte[] path, byte[] name, ReadOnlySpan<byte> value, nuint size, int flags);

    /// <summary>makedev(3) of glibc and the kernel.</summary>
    public static ulong Device(ulong major, ulong minor) =>
        ((major & 0xfffff000) << 32) | ((major & 0xfff) << 8) | ((minor & 0xffffff00) << 12) | (minor & 0xff);
}
