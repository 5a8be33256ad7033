using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Network;

/// <summary>Addresses that this node passes no packets from or to: those of pods that come here with them and are not
/// restored yet.</summary>
/// <remarks>
/// A pod without its sockets answers a segment of a connection with a reset, which ends the connection at its other end,
/// and one that is restored and stands still would acknowledge bytes that a rollback loses. The rules stand before the
/// pod exists, in the node's raw table, which every packet to or from a pod on a routed network passes. Each hold is a
/// file, so that an agent that is started again, also after its node, restores the rules; so is its end, so that a call
/// that comes late or twice holds nothing again.
/// </remarks>
internal sealed class AddressHolds(IOptions<AgentOptions> options) : IDisposable
{
    /// <summary>iptables' words for a packet's source and destination.</summary>
    private static readonly string[] Sides = ["-s", "-d"];

    /// <summary>The end of a hold, beside its file.</summary>
    private const string Over = ".over";

    private readonly string _folder = Path.Combine(options.Value.StateRoot, "addresses");
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>Holds addresses; again for the same holder changes nothing.</summary>
    public Task HoldAsync(string holder, IReadOnlyCollection<string> addresses, CancellationToken cancellationToken) =>
        OneAtATimeAsync(
            async () =>
            {
                var path = PathOf(holder);
                var rules = Rules(holder, addresses, "hold");
                if (File.Exists(path + Over))
                {
                    throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, "the migration has let its addresses go");
                }

                Directory.CreateDirectory(_folder);
                await File.WriteAllLinesAsync(path + ".partial", addresses, cancellationToken);
                File.Move(path + ".partial", path, overwrite: true);
                await NodeNetwork.RunAsync([], rules, cancellationToken);
            },
            cancellationToken);

    /// <summary>Lets a holder's addresses go; none is no error.</summary>
    public Task LetGoAsync(string holder, CancellationToken cancellationToken) =>
        OneAtATimeAsync(
            async () =>
            {
                Directory.CreateDirectory(_folder);
                await File.WriteAllTextAsync(PathOf(holder) + Over, "", cancellationToken);
                if (File.Exists(PathOf(holder)))
                {
                    // The rules first: killed in between, the next call finds the file and nothing to do.
                    await NodeNetwork.RunAsync(
                        [], Rules(holder, await File.ReadAllLinesAsync(PathOf(holder), cancellationToken), "let_go"), cancellationToken);
                    File.Delete(PathOf(holder));
                }
            },
            cancellationToken);

    /// <summary>Puts the rules of every hold back, which do not outlive the node.</summary>
    public Task RecoverAsync(CancellationToken cancellationToken) =>
        OneAtATimeAsync(
            async () =>
            {
                foreach (var path in Directory.Exists(_folder) ? Directory.GetFiles(_folder).Where(f => !Path.HasExtension(f)) : [])
                {
                    await NodeNetwork.RunAsync(
                        [], Rules(Path.GetFileName(path), await File.ReadAllLinesAsync(path, cancellationToken), "hold"), cancellationToken);
                }
            },
            cancellationToken);

    public void Dispose() => _one.Dispose();

    /// <summary>The script that holds addresses or lets them go, whatever stands already.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: not an address.</exception>
    internal static string Rules(string holder, IEnumerable<string> addresses, string verb) =>
        $$"""
        set -u
        rule() { tool=$1 action=$2 side=$3; $tool -w -t raw "$action" PREROUTING "$side" "$4" -m comment --comment pod-checkpointing:{{holder}} -j DROP; }
        hold() { rule "$1" -C "$2" "$3" 2>/dev/null || rule "$1" -I "$2" "$3"; }
        let_go() { while rule "$1" -D "$2" "$3" 2>/dev/null; do :; done; ! rule "$1" -C "$2" "$3" 2>/dev/null; }

        """
        + string.Concat(addresses.Select(Parse).SelectMany(a => Sides.Select(side =>
            $"{verb} {(a.AddressFamily == AddressFamily.InterNetworkV6 ? "ip6tables" : "iptables")} {side} {a} || exit 1\n")));

    private static IPAddress Parse(string address) =>
        IPAddress.TryParse(address, out var parsed)
            ? parsed
            : throw Refusal.Because(StatusCode.InvalidArgument, "InvalidArgument", $"\"{address}\" is not an address");

    private async Task OneAtATimeAsync(Func<Task> work, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            await work();
        }
        finally
        {
            _one.Release();
        }
    }

    // It goes into a shell script, too.
    private string PathOf(string holder) =>
        holder.Length is > 0 and < 64 && holder.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
            ? Path.Combine(_folder, holder)
            : throw Refusal.Because(StatusCode.InvalidArgument, "InvalidArgument", $"holder \"{holder}\" is not a uid");
}
