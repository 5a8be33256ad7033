using System.Runtime.InteropServices;
using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Agent.Capabilities;

/// <summary>Which open files of a process CRIU cannot dump.</summary>
/// <remarks>As CRIU 4.2 decides it: known kinds of anonymous inodes, of devices and of sockets, and deleted files up to
/// a limit. What its plug-ins can do besides is not known here.</remarks>
internal static partial class OpenFiles
{
    private const string Anonymous = "anon_inode:";
    private const int AtFdCwd = -100;
    private const uint BasicStatistics = 0x7ff;
    private const int BlockSize = 512;
    private const int TypeMask = 0xF000;
    private const int CharacterDevice = 0x2000;
    private const int BlockDevice = 0x6000;
    private const int RegularFile = 0x8000;
    private const int MemoryDevices = 1;
    private const int MiscellaneousDevices = 10;

    private static readonly string[] Dumpable =
    [
        "eventfd", "eventpoll", "inotify", "fanotify", "signalfd", "timerfd", "pidfd", "bpf-map",
    ];

    /// <summary>null, zero, full, random, urandom, kmsg.</summary>
    private static readonly uint[] MemoryMinors = [3, 5, 7, 8, 9, 11];

    /// <summary>tun and autofs.</summary>
    private static readonly uint[] MiscellaneousMinors = [200, 235];

    /// <summary>Terminals: CRIU dumps those whose both ends are in the pod.</summary>
    private static readonly uint[] TerminalMajors = [4, 5, 136, 137, 138, 139, 140, 141, 142, 143];

    /// <summary>What stands in the way: the kind, by which the like is told once, and words for it.</summary>
    /// <param name="pid">The process.</param>
    /// <param name="ghostLimit">The most bytes of a deleted file that CRIU dumps.</param>
    public static IEnumerable<(string Kind, string Message)> Obstacles(int pid, long ghostLimit)
    {
        using var sockets = new ForeignSockets(pid);
        foreach (var open in Proc.ReadableDescriptors(pid))
        {
            var found = open.Socket is not null
                ? sockets.Obstacle(open.Number)
                : open.Target.StartsWith(Anonymous, StringComparison.Ordinal)
                    ? OfAnonymous(open.Target[Anonymous.Length..].Trim('[', ']'))
                    : OfFile(open.Path, open.Target, ghostLimit);
            if (found is { } obstacle)
            {
                yield return obstacle;
            }
        }
    }

    /// <summary>What there is to say of an anonymous inode's kind, as the kernel names it.</summary>
    internal static (string Kind, string Message)? OfAnonymous(string kind) => kind switch
    {
        _ when Dumpable.Contains(kind) => null,
        "io_uring" => (
            kind,
            "uses io_uring, which CRIU cannot dump; switch it off in the program (UV_USE_IO_URING=0 for Node.js) or "
                + "by a seccomp profile"),
        _ => (kind, $"has a {kind} open, which CRIU cannot dump; have the program close it"),
    };

    /// <summary>What there is to say of a device.</summary>
    internal static (string Kind, string Message)? OfDevice(string path, bool isBlock, uint major, uint minor) =>
        !isBlock && (TerminalMajors.Contains(major)
            || (major == MemoryDevices && MemoryMinors.Contains(minor))
            || (major == MiscellaneousDevices && MiscellaneousMinors.Contains(minor)))
                ? null
                : (
                    path,
                    $"has the device {path} open ({(isBlock ? "block" : "character")} {major}:{minor}), which CRIU "
                        + "cannot dump; have the program close it");

    private static (string Kind, string Message)? OfFile(string path, string target, long ghostLimit)
    {
        if (StatX(AtFdCwd, path, 0, BasicStatistics, out var file) != 0)
        {
            // Closed meanwhile.
            return null;
        }

        var bytes = (long)file.Blocks * BlockSize;
        return (file.Mode & TypeMask) switch
        {
            CharacterDevice => OfDevice(target, isBlock: false, file.DeviceMajor, file.DeviceMinor),
            BlockDevice => OfDevice(target, isBlock: true, file.DeviceMajor, file.DeviceMinor),
            // What lives in memory alone is dumped as memory.
            RegularFile when file.Links == 0
                && bytes > ghostLimit
                && !target.StartsWith("/memfd:", StringComparison.Ordinal) => (
                target,
                $"has the deleted file {target.Replace(" (deleted)", "", StringComparison.Ordinal)} of {bytes} bytes "
                + $"open, and CRIU takes deleted files along up to {ghostLimit}; "
                + "raise ghost-limit in the node's CRIU configuration, on both nodes"),
            _ => null,
        };
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, out Statistics file);

    /// <summary>struct statx, the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Statistics
    {
        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(48)]
        public ulong Blocks;

        [FieldOffset(128)]
        public uint DeviceMajor;

        [FieldOffset(132)]
        public uint DeviceMinor;
    }
}
