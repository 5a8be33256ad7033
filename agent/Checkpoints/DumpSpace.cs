using PodCheckpointing.Api.Agent;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>How much memory a dump may hold to fit on this node: CRIU writes it into the runtime's folder, and the
/// runtime once more, into kubelet's.</summary>
internal static class DumpSpace
{
    private static readonly string[] RuntimeFolders = ["var/lib/containers/storage", "var/lib/containerd"];

    /// <summary>Bytes of memory; null where kubelet has no folder for archives yet.</summary>
    public static ulong? Room(AgentOptions options)
    {
        if (!Directory.Exists(options.KubeletDirectory))
        {
            return null;
        }

        var archives = new DriveInfo(options.KubeletDirectory);
        var others = RuntimeFolders.Select(folder => Path.Combine(options.NodeRoot, folder))
            .Where(Directory.Exists)
            .Select(folder => new DriveInfo(folder))
            .Where(runtime => !IsSame(archives, runtime))
            .ToList();
        var room = others.Count > 0 ? Left(archives) : Left(archives) / 2;
        return (ulong)others.Select(Left).Append(room).Min();
    }

    /// <summary>One file system seen twice, or two that are alike to the last bytes: they are taken for one.</summary>
    private static bool IsSame(DriveInfo one, DriveInfo other) =>
        one.TotalSize == other.TotalSize
        && Math.Abs(one.AvailableFreeSpace - other.AvailableFreeSpace) < StagingSpace.Spare;

    private static long Left(DriveInfo drive) => Math.Max(0, drive.AvailableFreeSpace - StagingSpace.Spare);
}
