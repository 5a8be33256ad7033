using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Descriptors of other processes (pidfd_open(2), pidfd_getfd(2)).</summary>
internal static partial class Descriptors
{
    // The same on all architectures.
    private const long PidfdOpen = 434;
    private const long PidfdGetfd = 438;
    private const int BadDescriptor = 9;

    /// <summary>Whether the kernel lets this process copy descriptors of others: it needs CAP_SYS_PTRACE.</summary>
    public static bool CanCopy()
    {
        using var init = Open(1);
        if (init.IsInvalid)
        {
            return false;
        }

        using var copy = Copy(init, int.MaxValue);
        return Marshal.GetLastPInvokeError() == BadDescriptor;
    }

    /// <summary>Whether a process listens on a unix socket.</summary>
    public static bool IsListening(int pid)
    {
        const string flagsOfListeners = "00010000";
        var sockets = Links(pid).Where(l => l.Target.StartsWith("socket:[", StringComparison.Ordinal)).Select(l => l.Target[8..^1]).ToHashSet();
        try
        {
            return File.ReadLines($"/proc/{pid}/net/unix").Skip(1)
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Any(f => f.Length > 6 && f[3] == flagsOfListeners && sockets.Contains(f[6]));
        }
        catch (IOException)
        {
            // It has gone.
            return false;
        }
    }

    /// <summary>Copies of every userfaultfd of CRIU's daemon; null when it is gone, or another process has its number.</summary>
    /// <exception cref="IOException">It has one that this process cannot copy.</exception>
    public static UserfaultCopies? CopyUserfaults(ProcessIdentity daemon)
    {
        var process = Open(daemon.Pid);
        // What has been opened keeps its number: looked at now, it is the one.
        if (process.IsInvalid || !daemon.Lives || !IsDaemon(daemon.Pid))
        {
            process.Dispose();
            return null;
        }

        var copies = new List<SafeFileHandle>();
        var result = new UserfaultCopies(process, copies);
        try
        {
            foreach (var number in Userfaults(daemon.Pid))
            {
                var copy = Copy(process, number);
                var error = Marshal.GetLastPInvokeError();
                if (!copy.IsInvalid)
                {
                    copies.Add(copy);
                }
                else if (Userfaults(daemon.Pid).Contains(number) && !result.HasDaemonEnded(0))
                {
                    // Unguarded, its missing pages could become zeros.
                    throw new IOException($"a userfaultfd cannot be copied: {Marshal.GetPInvokeErrorMessage(error)}");
                }
            }

            if (!result.HasDaemonEnded(0))
            {
                return result;
            }
        }
        catch
        {
            result.Dispose();
            throw;
        }

        result.Dispose();
        return null;
    }

    private static IEnumerable<int> Userfaults(int pid) =>
        Links(pid).Where(l => l.Target == "anon_inode:[userfaultfd]").Select(l => l.Number);

    internal static int Poll(SafeFileHandle process, int milliseconds)
    {
        var ask = new PollRequest { Descriptor = (int)process.DangerousGetHandle(), Events = 1 };
        return poll(ref ask, 1, milliseconds);
    }

    private static bool IsDaemon(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Contains("lazy-pages", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static List<(int Number, string Target)> Links(int pid)
    {
        try
        {
            return [.. new DirectoryInfo($"/proc/{pid}/fd").EnumerateFileSystemInfos()
                .Select(f => (int.Parse(f.Name, CultureInfo.InvariantCulture), f.LinkTarget ?? ""))];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static SafeFileHandle Open(int pid) => new((nint)syscall(PidfdOpen, pid, 0, 0), ownsHandle: true);

    private static SafeFileHandle Copy(SafeFileHandle process, int number) =>
        new((nint)syscall(PidfdGetfd, process.DangerousGetHandle(), number, 0), ownsHandle: true);

    [LibraryImport("libc", SetLastError = true)]
    private static partial long syscall(long number, nint first, nint second, nint third);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollRequest request, nuint count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollRequest
    {
        public int Descriptor;
        public short Events;
        public short Found;
    }
}

/// <summary>What the agent holds of a lazy-pages daemon: as long as it does, no missing page becomes zeros.</summary>
internal sealed class UserfaultCopies(SafeFileHandle process, IReadOnlyList<SafeFileHandle> copies) : IDisposable
{
    public int Count => copies.Count;

    /// <summary>Returns when the daemon has ended.</summary>
    public void WaitForDaemon()
    {
        while (!HasDaemonEnded(-1))
        {
            // Interrupted.
        }
    }

    public bool HasDaemonEnded(int milliseconds) => Descriptors.Poll(process, milliseconds) > 0;

    public void Dispose()
    {
        foreach (var copy in copies)
        {
            copy.Dispose();
        }

        process.Dispose();
    }
}
