using System.Globalization;

namespace PodCheckpointing.Agent.Processes;

/// <summary>Bytes of memory that a dump of processes has to hold: those that no file holds, shared ones once.</summary>
internal static class ProcessMemory
{
    /// <summary>What they have in the machine or swapped out; more than what a dump writes, which leaves out
    /// zeros.</summary>
    public static ulong Of(IEnumerable<int> pids) => (ulong)pids.Sum(pid => In(Rollup(pid)));

    /// <summary>The same of one process, in the lines of its smaps_rollup (proc_pid_smaps(5)).</summary>
    internal static long In(IEnumerable<string> rollup) => 1024 * rollup
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Where(words => words is ["Pss_Anon:" or "Pss_Shmem:" or "SwapPss:", _, "kB"])
        .Sum(words => long.Parse(words[1], CultureInfo.InvariantCulture));

    private static string[] Rollup(int pid)
    {
        try
        {
            return Proc.Lines(pid, "smaps_rollup");
        }
        catch (UnauthorizedAccessException)
        {
            // CRIU, which is among the node's programs, will tell.
            return [];
        }
    }
}
