using System.Globalization;

namespace PodCheckpointing.Agent.Processes;

/// <summary>Connected TCP sockets of processes, which CRIU does not dump unless it is told how.</summary>
/// <remarks>Asked before the dump: what the runtimes report of CRIU's refusal differs, and
/// may leave the reason out.</remarks>
internal static class ConnectedSockets
{
    /// <summary>TCP_CLOSE and TCP_LISTEN in /proc/net/tcp (proc_net(5)), hexadecimal: every other state has a remote
    /// end, also when that has closed its half.</summary>
    private static readonly string[] Unconnected = ["07", "0A"];

    /// <summary>The remote ends of the processes' connected sockets, as the kernel prints them.</summary>
    public static IReadOnlyList<string> Of(IReadOnlyCollection<int> pids)
    {
        var mine = pids.SelectMany(Proc.ReadableDescriptors).Select(d => d.Socket).ToHashSet();
        return
        [
            .. pids.Take(1)
                .SelectMany(
                    pid => ConnectedIn([.. Proc.Lines(pid, "net/tcp").Skip(1), .. Proc.Lines(pid, "net/tcp6").Skip(1)]))
                .Where(socket => mine.Contains(socket.Inode))
                .Select(socket => socket.Remote),
        ];
    }

    internal static IEnumerable<(long Inode, string Remote)> ConnectedIn(IEnumerable<string> lines) =>
        from line in lines
        let fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        where fields.Length > 9 && !Unconnected.Contains(fields[3])
        select (long.Parse(fields[9], CultureInfo.InvariantCulture), fields[2]);
}
