using System.Globalization;

namespace PodCheckpointing.Agent.Runtimes;

/// <summary>Connected TCP sockets of processes, which CRIU does not dump unless it is told how.</summary>
/// <remarks>Asked before the dump: what the runtimes report of CRIU's refusal differs, and may leave the reason out.</remarks>
internal static class ConnectedSockets
{
    /// <summary>TCP_CLOSE and TCP_LISTEN in /proc/net/tcp (proc_net(5)), hexadecimal: every other state has a remote end,
    /// also when that has closed its half.</summary>
    private static readonly string[] Unconnected = ["07", "0A"];

    /// <summary>The remote ends of the processes' connected sockets, as the kernel prints them.</summary>
    public static IReadOnlyList<string> Of(IReadOnlyCollection<int> pids)
    {
        var mine = pids.SelectMany(DescriptorsOf).Select(s => s.Inode).ToHashSet();
        return
        [
            .. pids.Take(1).SelectMany(pid => new[] { $"/proc/{pid}/net/tcp", $"/proc/{pid}/net/tcp6" })
                .Where(File.Exists)
                .SelectMany(file => ConnectedIn(File.ReadLines(file).Skip(1)))
                .Where(socket => mine.Contains(socket.Inode))
                .Select(socket => socket.Remote),
        ];
    }

    internal static IEnumerable<(long Inode, string Remote)> ConnectedIn(IEnumerable<string> lines) =>
        from line in lines
        let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where fields.Length > 9 && !Unconnected.Contains(fields[3])
        select (long.Parse(fields[9], CultureInfo.InvariantCulture), fields[2]);

    /// <summary>A process' sockets, of whatever kind.</summary>
    public static IEnumerable<(int Descriptor, long Inode)> DescriptorsOf(int pid)
    {
        string[] descriptors;
        try
        {
            descriptors = Directory.GetFiles($"/proc/{pid}/fd");
        }
        catch (DirectoryNotFoundException)
        {
            yield break;
        }

        foreach (var descriptor in descriptors)
        {
            var target = new FileInfo(descriptor).LinkTarget ?? "";
            if (target.StartsWith("socket:[", StringComparison.Ordinal))
            {
                yield return (
                    int.Parse(Path.GetFileName(descriptor), CultureInfo.InvariantCulture),
                    long.Parse(target["socket:[".Length..^1], CultureInfo.InvariantCulture));
            }
        }
    }
}
