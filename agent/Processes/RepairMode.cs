using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Agent.Processes;

/// <summary>The kernel's TCP repair mode (tcp(7)), in which CRIU leaves the connections of a dump that leaves its
/// processes stopped: they send nothing, not even their end, and every read of them fails with EPERM.</summary>
internal static partial class RepairMode
{
    private const int Tcp = 6;
    private const int TcpRepair = 19;

    /// <summary>Takes the connections of stopped processes out of it; each tells its
    /// other end that it is there.</summary>
    /// <returns>How many were in it.</returns>
    public static int Leave(IEnumerable<int> pids) => pids.Sum(Leave);

    private static int Leave(int pid)
    {
        using var process = Pidfd.Open(pid);
        // One that has gone has taken its sockets along.
        return process is null
            ? 0
            : Proc.Descriptors(pid).Count(d => d.Socket is not null && LeaveOne(process, d.Number));
    }

    private static bool LeaveOne(Pidfd process, int descriptor)
    {
        using var socket = process.Copy(descriptor);
        if (socket.IsInvalid)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new IOException(
                $"socket {descriptor.ToString(CultureInfo.InvariantCulture)} of a stopped process cannot be had: "
                    + $"{Marshal.GetPInvokeErrorMessage(error)}");
        }

        var size = sizeof(int);
        // Other sockets than TCP's do not know the option.
        if (GetOption(socket, Tcp, TcpRepair, out var on, ref size) != 0 || on == 0)
        {
            return false;
        }

        var off = 0;
        return SetOption(socket, Tcp, TcpRepair, in off, sizeof(int)) == 0
            ? true
            : throw new IOException(
                "a connection cannot be taken out of repair: "
                    + $"{Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int GetOption(SafeFileHandle socket, int level, int option, out int value, ref int size);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(SafeFileHandle socket, int level, int option, in int value, int size);
}
