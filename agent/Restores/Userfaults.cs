using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Agent.Restores;

/// <summary>The userfaultfds of CRIU's lazy-pages daemon.</summary>
internal static class Userfaults
{
    private const int BadDescriptor = 9;

    /// <summary>Whether the kernel lets this process copy descriptors of others: it needs CAP_SYS_PTRACE.</summary>
    public static bool CanCopy()
    {
        using var init = Pidfd.Open(1);
        using var copy = init?.Copy(int.MaxValue);
        return copy is not null && Marshal.GetLastPInvokeError() == BadDescriptor;
    }

    /// <summary>Whether a process listens on a unix socket.</summary>
    public static bool IsListening(int pid)
    {
        const string flagsOfListeners = "00010000";
        var sockets = Proc.Descriptors(pid).Select(d => d.Socket).OfType<long>().Select(s => $"{s}").ToHashSet();
        return Proc.Lines(pid, "net/unix").Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(f => f.Length > 6 && f[3] == flagsOfListeners && sockets.Contains(f[6]));
    }

    /// <summary>Copies of every one; null when the daemon is gone, or another process has its number.</summary>
    /// <exception cref="IOException">It has one that this process cannot copy.</exception>
    public static UserfaultCopies? CopyAll(ProcessIdentity daemon)
    {
        // What has been opened keeps its number: looked at now, it is the one.
        if (Pidfd.Open(daemon.Pid) is not { } process)
        {
            return null;
        }

        var copies = new List<SafeFileHandle>();
        var result = new UserfaultCopies(process, copies);
        try
        {
            if (!daemon.Lives
                || Proc.Text(daemon.Pid, "cmdline")?.Contains("lazy-pages", StringComparison.Ordinal) != true)
            {
                result.Dispose();
                return null;
            }

            foreach (var number in NumbersOf(daemon.Pid))
            {
                var copy = process.Copy(number);
                var error = Marshal.GetLastPInvokeError();
                if (!copy.IsInvalid)
                {
                    copies.Add(copy);
                }
                else if (NumbersOf(daemon.Pid).Contains(number) && !process.HasEnded(0))
                {
                    // Unguarded, its missing pages could become zeros.
                    throw new IOException($"a userfaultfd cannot be copied: {Marshal.GetPInvokeErrorMessage(error)}");
                }
            }

            if (!process.HasEnded(0))
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

    private static IEnumerable<int> NumbersOf(int pid) =>
        Proc.Descriptors(pid).Where(d => d.Target == "anon_inode:[userfaultfd]").Select(d => d.Number);
}

/// <summary>What the agent holds of a lazy-pages daemon: as long as it does, no missing page becomes zeros.</summary>
internal sealed class UserfaultCopies(Pidfd daemon, IReadOnlyList<SafeFileHandle> copies) : IDisposable
{
    public int Count => copies.Count;

    /// <summary>Returns when the daemon has ended.</summary>
    public void WaitForDaemon()
    {
        while (!daemon.HasEnded(-1))
        {
            // Interrupted.
        }
    }

    public void Dispose()
    {
        foreach (var copy in copies)
        {
            copy.Dispose();
        }

        daemon.Dispose();
    }
}
