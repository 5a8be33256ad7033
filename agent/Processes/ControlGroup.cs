namespace PodCheckpointing.Agent.Processes;

/// <summary>The control group of version 2 that a process is in.</summary>
/// <remarks>An agent in a container has a name space of control groups of its own, and the kernel tells it all paths
/// relative to that one's root, those of other pods behind ".." (cgroup_namespaces(7)): the node's files have
/// others.</remarks>
internal static class ControlGroup
{
    private const string Version2 = "0::/";

    /// <summary>Asked once, where the first process is in such a group: nobody moves the agent.</summary>
    private static readonly Lazy<string> Root = new(
        () => RootOf(Proc.Lines(Environment.ProcessId, "cgroup"), AsTheNodeSeesOurs()));

    /// <summary>Whether a process is frozen by its group, in which it seems to sleep.</summary>
    public static bool IsFrozen(int pid)
    {
        try
        {
            return PathIn(Proc.Lines(pid, "cgroup")) is { } path
                && File.ReadLines(FrozenFile(path, Root.Value)).Contains("frozen 1");
        }
        catch (IOException)
        {
            // Its group has gone.
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            // A security module keeps the node's files from us. CRIU freezes only for the moment in which it begins to
            // trace.
            return false;
        }
    }

    /// <summary>A process' group in what proc_pid_cgroup(5) tells of it; null where it has none of version 2.</summary>
    internal static string? PathIn(IEnumerable<string> lines) =>
        lines.FirstOrDefault(l => l.StartsWith(Version2, StringComparison.Ordinal))?[(Version2.Length - 1)..];

    /// <summary>Where the kernel tells whether a group is frozen.</summary>
    /// <param name="path">As the agent sees it.</param>
    /// <param name="root">The root of the agent's name space, as the node sees it.</param>
    internal static string FrozenFile(string path, string root) =>
        $"/proc/1/root/sys/fs/cgroup{Path.GetFullPath(Path.Join("/", root, path)).TrimEnd('/')}/cgroup.events";

    /// <summary>The root of a name space, as the node sees it; empty where it is the node's own, or that cannot be
    /// joined.</summary>
    /// <param name="here">What is told of a process in the name space.</param>
    /// <param name="there">What is told of it among the node's.</param>
    internal static string RootOf(IEnumerable<string> here, IEnumerable<string> there) =>
        PathIn(here)?.TrimEnd('/') is { } below && PathIn(there) is { } whole
            && whole.EndsWith(below, StringComparison.Ordinal) ? whole[..^below.Length] : "";

    private static string[] AsTheNodeSeesOurs()
    {
        // A child is where its parent is.
        using var process = NodeProcess.Start(
            ["nsenter", "--target", "1", "--cgroup", "--", "cat", "/proc/self/cgroup"]);
        return process.StandardOutput.ReadToEnd().Split('\n');
    }
}
