using System.Globalization;

namespace PodCheckpointing.Agent.Processes;

/// <summary>What a process does, or what is done to it.</summary>
internal static class ProcessState
{
    /// <summary>Whether a process stands still by a stop signal (state T in proc_pid_stat(5)).</summary>
    public static bool IsStopped(int pid) => StateOf(pid) is 'T' or 'Z';

    /// <summary>Whether somebody stops or traces a process. (Frozen ones sleep without end, as those
    /// do that wait for a disk.)</summary>
    public static bool IsHeld(int pid) => StateOf(pid) is 'T' or 't';

    /// <summary>Whether somebody outside of a container holds a process of it as CRIU does, by ptrace(2). One that
    /// traces itself is the application's business.</summary>
    /// <param name="processes">The container's processes.</param>
    public static bool AreTraced(List<int> processes) => processes.Any(p => IsTraced(p, processes));

    /// <summary>Whether somebody who is none of them holds a process by ptrace(2).</summary>
    public static bool IsTraced(int pid, List<int> processes) =>
        // Who is in a pid namespace that cannot be seen from here is 0.
        StateOf(pid) == 't' && StatusOf(pid, "TracerPid") is { } tracer && !processes.Contains((int)tracer);

    /// <summary>Bytes of memory that a process and its descendants have, in the machine or swapped out.</summary>
    public static long MemoryOf(int pid) =>
        ProcessTree.Of(pid).Sum(p => ((StatusOf(p, "VmRSS") ?? 0) + (StatusOf(p, "VmSwap") ?? 0)) * 1024);

    /// <summary>Whether a process runs or sleeps, as processes do that nobody stops, traces or freezes.</summary>
    public static bool Runs(int pid) =>
        StateOf(pid) is 'Z' || (StateOf(pid) is 'R' or 'S' && !ControlGroup.IsFrozen(pid));

    /// <summary>A number of proc_pid_status(5); null of a process that is gone, and where there is none.</summary>
    private static long? StatusOf(int pid, string name) =>
        Proc.Lines(pid, "status").FirstOrDefault(l => l.StartsWith(name + ":", StringComparison.Ordinal)) is { } line
            ? long.Parse(
                line[(name.Length + 1)..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture)
            : null;

    /// <summary>Its state as proc_pid_stat(5) has it; one that has gone is as good as dead.</summary>
    private static char StateOf(int pid) => Proc.Text(pid, "stat") is { } stat ? stat[stat.LastIndexOf(')') + 2] : 'Z';
}
