using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>The node's CRIU options: one file for all dumps of the node, changed for one dump and put back.</summary>
/// <remarks>
/// While it is changed, a copy of the old file lies beside it. An agent that finds such a copy at its start was killed
/// in between, and puts it back first.
/// </remarks>
internal sealed class CriuConfiguration(IOptions<AgentOptions> options) : IDisposable
{
    private readonly string _path = options.Value.CriuConfig;
    private readonly SemaphoreSlim _one = new(1, 1);

    private volatile bool _closed;

    private string Saved => _path + ".pod-checkpointing-saved";

    /// <summary>Puts back what a killed agent left changed.</summary>
    public void Recover()
    {
        if (File.Exists(Saved))
        {
            File.Move(Saved, _path, overwrite: true);
        }
    }

    /// <summary>Runs one dump with the options that the fence asks for; dumps of this
    /// node wait for each other.</summary>
    public async Task<T> WithAsync<T>(FenceRecord? fence, Func<Task<T>> dump, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_closed)
            {
                throw Refusal.Because(
                    StatusCode.Unavailable,
                    Reasons.AgentUnavailable,
                    "the agent of the node is about to end; the next one dumps");
            }

            Recover();
            if (fence is null)
            {
                return await dump();
            }

            var old = File.Exists(_path) ? await File.ReadAllTextAsync(_path, cancellationToken) : "";
            var mode = File.Exists(_path)
                ? File.GetUnixFileMode(_path)
                : UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
            // On the disk before the other one changes: what is put back after a power
            // failure is what the administrator wrote.
            WholeFile.Write(Saved, old);
            File.SetUnixFileMode(Saved, mode);
            try
            {
                // Connections that the server has not taken yet would fail the dump; they are refused instead, and
                // their clients try again.
                var lines = old.TrimEnd('\n')
                    + $"\nleave-stopped\nnetwork-lock={LockOf(fence.TcpPolicy)}\nskip-in-flight\n"
                    + TcpLine(fence.TcpPolicy);
                // Renamed: who reads it reads all of it, of one of the two.
                await File.WriteAllTextAsync(Saved + ".next", lines.TrimStart('\n'), CancellationToken.None);
                File.SetUnixFileMode(Saved + ".next", mode);
                File.Move(Saved + ".next", _path, overwrite: true);
                return await dump();
            }
            finally
            {
                File.Move(Saved, _path, overwrite: true);
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Lets no dump begin any more, and ends when there is none.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        _closed = true;
        await _one.WaitAsync(cancellationToken);
        _one.Release();
    }

    public void Dispose() => _one.Dispose();

    /// <summary>CRIU leaves the pod's network shut behind a dump that leaves its processes stopped. Where the
    /// connections are to be kept, that is wanted: what arrives after the dump must not be acknowledged, nor the end of
    /// the stopped processes be told. <see cref="Thaw"/> opens it. Elsewhere nobody would.</summary>
    private static string LockOf(string policy) => policy == TcpPolicies.Established ? "iptables" : "skip";

    /// <summary>On cgroup v1 nothing but the restore handler can put the tree into all of its hierarchies. On v2 crun
    /// and CRIU do, and "ignore" would leave it outside of its cgroup namespace, and systemd's scope empty, which ends
    /// it with the pod's limits.</summary>
    internal static string CgroupLine(AgentOptions options) => IsUnified(options) ? "" : "manage-cgroups=ignore\n";

    /// <summary>What in the node's CRIU options keeps its pods from being restored; empty for nothing.</summary>
    internal static string Fault(AgentOptions options) =>
        IsUnified(options) && File.Exists(options.CriuConfig) && File.ReadLines(options.CriuConfig).Any(IgnoresCgroups)
            ? $"{options.CriuConfig} says manage-cgroups=ignore, and on cgroup v2 what is dumped so is not restored "
                + "in its cgroup; remove that line"
            : "";

    private static bool IgnoresCgroups(string line) =>
        line.Split('#')[0]
            .Split([' ', '\t', '='], StringSplitOptions.RemoveEmptyEntries) is ["manage-cgroups", "ignore", ..];

    private static bool IsUnified(AgentOptions options) =>
        File.Exists(Path.Combine(options.NodeRoot, "sys/fs/cgroup/cgroup.controllers"));

    internal static string TcpLine(string policy) => policy switch
    {
        TcpPolicies.Close => "tcp-close\n",
        TcpPolicies.Established => "tcp-established\n",
        _ => "",
    };
}
