using System.Globalization;

namespace PodCheckpointing.Agent.Processes;

/// <summary>Which processes belong together. All are found before anybody does anything to one: the children of one
/// that ends have another parent.</summary>
internal static class ProcessTree
{
    /// <summary>A process and all its descendants, as far as they live.</summary>
    public static List<int> Of(int pid)
    {
        var tree = new List<int>();
        Add(pid, tree);
        return tree;
    }

    /// <summary>All processes of a container.</summary>
    /// <param name="pid">Its first one.</param>
    public static List<int> OfContainer(int pid) => [.. Of(pid), .. Beside(pid)];

    /// <summary>The processes of a container that do not descend from its first one: who has them started in it
    /// (kubectl exec, probes) is the parent.</summary>
    /// <remarks>A container has a mount namespace of its own, whatever else it shares, and they are in it. Control
    /// groups would tell the same, but by paths that depend on who reads them.</remarks>
    public static List<int> Beside(int pid)
    {
        var own = MountsOf(pid);
        if (own is null || own == MountsOf(1) || own == MountsOf(Environment.ProcessId))
        {
            // Gone, or none of its own.
            return [];
        }

        var tree = Of(pid).ToHashSet();
        return [.. Proc.Numbers("/proc")
            .Where(process => !tree.Contains(process) && MountsOf(process) == own)
            .SelectMany(Of)
            .Distinct()];
    }

    private static void Add(int pid, List<int> tree)
    {
        tree.Add(pid);
        foreach (var task in Proc.Numbers(Proc.PathOf(pid, "task")))
        {
            foreach (var child in (Proc.Text(pid, $"task/{task}/children") ?? "").Split(
                ' ', StringSplitOptions.RemoveEmptyEntries))
            {
                Add(int.Parse(child, CultureInfo.InvariantCulture), tree);
            }
        }
    }

    private static string? MountsOf(int pid)
    {
        try
        {
            return new FileInfo(Proc.PathOf(pid, "ns/mnt")).LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
