using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Volumes;

/// <summary>The control group that kubelet makes for each pod, around its containers' own.</summary>
/// <remarks>Memory is charged to the group of the process that writes it first, for as long as it is there (cgroups(7),
/// "Memory Ownership" of the kernel's cgroup-v2). What the agent wrote into a pod's volume in memory would be the
/// agent's, and never the pod's.</remarks>
internal sealed class PodCgroup(IOptions<AgentOptions> options)
{
    /// <summary>kubelet's own root, kubepods, the quality of service, the pod; and one more,
    /// where the root has a parent.</summary>
    private const int Deepest = 5;

    private const string Leaf = "checkpoint-volumes";

    /// <summary>In a group of its own below the pod's; what that was charged is the pod's when it goes. Exit code 98:
    /// it cannot be joined, and nothing was done.</summary>
    private const string Within = """
        leaf=$1
        shift
        mkdir -p "$leaf" || exit 98
        (echo 0 >"$leaf/cgroup.procs" || exit 98
          exec "$@")
        code=$?
        rmdir "$leaf"
        case $code in 0|98|137) exit $code ;; *) exit 97 ;; esac
        """;

    /// <summary>As the agent is, and among the node's control groups: those that systemd delegates are joined only from
    /// where both groups can be seen, and an agent in a container sees its own (cgroup-v2, "nsdelegate").</summary>
    private static readonly string[][] Views = [[], ["nsenter", "--target", "1", "--cgroup", "--"]];

    /// <summary>Runs a program whose memory, and that of the files it writes in memory, is the pod's.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="command">The program and its arguments, as the agent would call it.</param>
    /// <param name="cancellationToken">Kills it.</param>
    /// <returns>Whether it ran: false where the pod has no group, or none that can be joined.</returns>
    /// <exception cref="RpcException">It has failed, and would fail again; the message has its words.</exception>
    public async Task<bool> RunAsync(string podUid, string[] command, CancellationToken cancellationToken)
    {
        if (Find(podUid) is not { } group)
        {
            return false;
        }

        foreach (var view in Views)
        {
            var result = await NodeProcess.RunAsync(
                [.. view, "sh", "-c", Within, "sh", Path.Combine(group, Leaf), .. command], feed: null,
                Timeout.InfiniteTimeSpan, cancellationToken);
            switch (result.Code)
            {
                case 0:
                    return true;
                case 97:
                    throw Failed(result.Complaint);
                // SIGKILL: as a rule the pod's own limit.
                case 137:
                    throw Failed("its memory limit leaves no room for its volumes in memory");
            }
        }

        return false;
    }

    private static RpcException Failed(string why) =>
        Refusal.Because(
            StatusCode.FailedPrecondition, Reasons.RestoreFailed,
            $"the pod's volumes in memory cannot be filled: {why}");

    /// <summary>Where the group is, in the hierarchy that counts memory; null where there is none.</summary>
    internal string? Find(string podUid)
    {
        var root = Path.Combine(options.Value.NodeRoot, "sys/fs/cgroup");
        // Version 1 has a hierarchy for each controller.
        var memory = Path.Combine(root, "memory");
        // With kubelet's cgroupfs driver, and with its systemd driver.
        var (plain, slice) = ($"pod{podUid}", $"-pod{podUid.Replace('-', '_')}.slice");
        var search =
            new EnumerationOptions
            {
                RecurseSubdirectories = true,
                MaxRecursionDepth = Deepest - 1,
                AttributesToSkip = 0,
            };
        return Directory.Exists(memory) || Directory.Exists(root)
            ? Directory.EnumerateDirectories(Directory.Exists(memory) ? memory : root, "*pod*", search)
                .FirstOrDefault(d => Path.GetFileName(d) == plain || d.EndsWith(slice, StringComparison.Ordinal))
            : null;
    }
}
