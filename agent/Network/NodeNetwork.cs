using Grpc.Core;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Network;

/// <summary>Packet filters of this node and of its pods, by the node's own iptables,
/// which CRIU needs there, too.</summary>
internal static class NodeNetwork
{
    /// <summary>Takes away what CRIU's network lock leaves in a pod that a dump has left stopped, once for each
    /// container: the pod could neither send nor receive for ever.</summary>
    private const string Unlock = """
        for tool in iptables ip6tables; do
          command -v $tool >/dev/null || continue
          [ $tool = iptables ] || [ -e /proc/net/if_inet6 ] || continue
          for chain in INPUT OUTPUT; do
            while $tool -w 10 -D $chain -j CRIU 2>/dev/null; do :; done
          done
          $tool -w 10 -F CRIU 2>/dev/null && $tool -w 10 -X CRIU
          left=$($tool -w 10 -S) || exit 1
          case $left in *"-j CRIU"*) echo "$tool: CRIU's lock is left"; exit 1 ;; esac
        done
        """;

    /// <summary>Each call of iptables waits 10 s for its lock, and fails then: this is for what hangs.</summary>
    private static readonly TimeSpan ScriptTimeout = TimeSpan.FromMinutes(2);

    /// <summary>Opens a pod's network that CRIU has locked.</summary>
    /// <param name="networkNamespace">Its path on the node.</param>
    public static Task UnlockAsync(string networkNamespace) => RunAsync(In(networkNamespace), Unlock);

    /// <summary>What runs a command in a network namespace. It is opened among the node's files: on its path are links
    /// (/var/run), which would lead back into the agent's own.</summary>
    internal static string[] In(string networkNamespace) => ["nsenter", $"--net={networkNamespace}", "--"];

    /// <summary>nsenter's arguments for a script among the node's files.</summary>
    internal static string[] Arguments(string[] within, string script) =>
        ["--target", "1", "--mount", "--", .. within, "sh", "-c", script];

    /// <summary>Runs a script among the node's files and, unless told otherwise, in its network, to its end.</summary>
    /// <remarks>Also where its caller hangs up: half a rule set helps nobody, and the next
    /// script may not begin beside it.</remarks>
    /// <exception cref="RpcException">UNAVAILABLE, with what it said.</exception>
    public static async Task RunAsync(string[] within, string script)
    {
        string said;
        try
        {
            var (code, output, errors) = await NodeProcess.RunAsync(
                ["nsenter", .. Arguments(within, script)], feed: null, ScriptTimeout, CancellationToken.None);
            if (code == 0)
            {
                return;
            }

            said = (output + errors).TrimEnd();
        }
        catch (Exception exception) when (exception is IOException or TimeoutException)
        {
            said = exception.Message;
        }

        throw Refusal.Because(StatusCode.Unavailable, Reasons.NodeNotCapable, $"the node's iptables failed: {said}");
    }
}
