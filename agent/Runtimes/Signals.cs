using System.Runtime.InteropServices;

namespace PodCheckpointing.Agent.Runtimes;

/// <summary>kill(2).</summary>
internal static partial class Signals
{
    private const int SigCont = 18;
    private const int SigStop = 19;
    private const int SigKill = 9;

    /// <summary>Lets a stopped process go on; false when it is gone.</summary>
    public static bool Continue(int pid) => kill(pid, SigCont) == 0;

    /// <summary>Stops a process; false when it is gone.</summary>
    public static bool Stop(int pid) => kill(pid, SigStop) == 0;

    /// <summary>Kills a process; false when it is gone.</summary>
    public static bool Kill(int pid) => kill(pid, SigKill) == 0;

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);
}
