using System.Globalization;
using System.Runtime.InteropServices;

namespace PodCheckpointing.Agent.Runtimes;

/// <summary>The kernel's TCP repair mode (tcp(7)), in which CRIU leaves the connections of a dump that leaves its processes
/// stopped: they send nothing, not even their end, and every read of them fails with EPERM.</summary>
internal static partial class RepairMode
{
    private const int PidfdOpen = 434;
    private const int PidfdGetfd = 438;
    private const int Tcp = 6;
    private const int TcpRepair = 19;

    /// <summary>Takes the connections of stopped processes out of it; each tells its other end that it is there.</summary>
    /// <returns>How many were in it.</returns>
    public static int Leave(IEnumerable<int> pids) => pids.Sum(Leave);

    private static int Leave(int pid)
    {
        var process = (int)SystemCall(PidfdOpen, pid, 0, 0);
        if (process < 0)
        {
            // Gone, with its sockets.
            return 0;
        }

        try
        {
            return ConnectedSockets.DescriptorsOf(pid).Count(socket => LeaveOne(process, socket.Descriptor));
        }
        finally
        {
            _ = Close(process);
        }
    }

    private static bool LeaveOne(int process, int descriptor)
    {
        var socket = (int)SystemCall(PidfdGetfd, process, descriptor, 0);
        if (socket < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw new IOException($"socket {descriptor.ToString(CultureInfo.InvariantCulture)} of a stopped process cannot be had: {Marshal.GetPInvokeErrorMessage(error)}");
        }

        try
        {
            var size = sizeof(int);
            // Other sockets than TCP's do not know the option.
            if (GetOption(socket, Tcp, TcpRepair, out var on, ref size) != 0 || on == 0)
            {
                return false;
            }

            var off = 0;
            return SetOption(socket, Tcp, TcpRepair, in off, sizeof(int)) == 0
                ? true
                : throw new IOException($"a connection cannot be taken out of repair: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
        finally
        {
            _ = Close(socket);
        }
    }

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, long first, long second, long third);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int GetOption(int socket, int level, int option, out int value, ref int size);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(int socket, int level, int option, in int value, int size);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
