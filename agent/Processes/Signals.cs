using System.Runtime.InteropServices;

namespace PodCheckpointing.Agent.Processes;

/// <summary>kill(2).</summary>
internal static partial class Signals
{
    private const int SigCont = 18;
    private const int SigStop = 19;
    private const int SigKill = 9;

    /// <summary>Lets a stopped process go on; false when it is gone.</summary>
    public static bool Continue(int pid) => Send(pid, SigCont);

    /// <summary>Stops a process; false when it is gone.</summary>
    public static bool Stop(int pid) => Send(pid, SigStop);

    /// <summary>Kills a process; false when it is gone.</summary>
    public static bool Kill(int pid) => Send(pid, SigKill);

    // 0 and less are whole groups of processes: our own, or all of the node's.
    private static bool Send(int pid, int signal) => pid > 0 && kill(pid, signal) == 0;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);
}
