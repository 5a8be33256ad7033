using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Network;

/// <summary>Addresses that this node passes no packets from or to: those of pods that come here with them and are not
/// restored yet.</summary>
/// <remarks>
/// A pod without its sockets answers a segment of a connection with a reset, which ends the connection at its other
/// end, and one that is restored and stands still would acknowledge bytes that a rollback loses. The rules stand before
/// the pod exists, in the node's raw table, which every packet to or from a pod on a routed network passes. Each hold
/// is a file, so that an agent that is started again, also after its node, restores the rules; so is its end, so that a
/// call that comes late or twice holds nothing again. Both are swept: of a node that was given up as lost nobody asks
/// any more.
/// </remarks>
/// <param name="options">Where the files are.</param>
/// <param name="time">Says when a hold is overdue.</param>
/// <param name="runAsync">Runs a script in the node's network, to its end: while it works nobody else may look at the
/// rules, so that a caller who hangs up ends nothing but the wait for its turn.</param>
/// <param name="logger">Hears of holds whose rules cannot be put back, or away, at the moment.</param>
internal sealed class AddressHolds(
    IOptions<AgentOptions> options, TimeProvider time, Func<string, Task> runAsync, ILogger<AddressHolds> logger)
    : IDisposable
{
    /// <summary>iptables' words for a packet's source and destination.</summary>
    private static readonly string[] Sides = ["-s", "-d"];

    /// <summary>The end of a hold, beside its file.</summary>
    private const string Over = ".over";

    /// <summary>What becomes the end of a hold.</summary>
    private const string Spare = ".spare";

    /// <summary>Until when it may be needed, in a hold's file, above its addresses.</summary>
    private const string Until = "until ";

    private static readonly TimeSpan DefaultHold = TimeSpan.FromDays(1);

    /// <summary>No call is on its way for so long; where one would do harm, its end is remembered for longer.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromHours(1);

    private readonly string _folder = Path.Combine(options.Value.StateRoot, "addresses");
    private readonly SemaphoreSlim _one = new(1, 1);
    private bool _recovered;

    /// <summary>Holds addresses; again for the same holder changes nothing but the time.</summary>
    /// <param name="holder">The migration's uid.</param>
    /// <param name="addresses">The addresses.</param>
    /// <param name="longest">For how long the holder may need them; zero for a day.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public Task HoldAsync(
        string holder, IReadOnlyCollection<string> addresses, TimeSpan longest, CancellationToken cancellationToken) =>
        OneAtATimeAsync(
            async () =>
            {
                var path = PathOf(holder);
                var rules = Rules(holder, addresses, "hold");
                if (!await RecoverOnceAsync())
                {
                    throw Refusal.Because(
                        StatusCode.Unavailable, Reasons.NodeNotCapable,
                        "addresses that were held before the agent began cannot be held again yet; see its log");
                }

                if (File.Exists(path + Over))
                {
                    throw Refusal.Because(
                        StatusCode.FailedPrecondition, Reasons.RestoreFailed, "the migration has let its addresses go");
                }

                WholeFile.MakeFolder(_folder);
                var until = time.GetUtcNow() + (longest > TimeSpan.Zero ? longest : DefaultHold);
                // The room for the end, too: who goes back may do so because there is none left.
                WholeFile.Write(path + Spare, string.Join('\n', addresses.Append("")));
                WholeFile.Write(
                    path, string.Join(
                        '\n', addresses.Prepend(Until + until.ToString("O", CultureInfo.InvariantCulture)).Append("")));
                await runAsync(rules);
            },
            cancellationToken);

    /// <summary>Lets a holder's addresses go; none is no error.</summary>
    public Task LetGoAsync(string holder, CancellationToken cancellationToken) =>
        OneAtATimeAsync(() => EndAsync(holder), cancellationToken);

    /// <summary>Puts the rules of every hold back, which do not outlive the node, until that has come true once. Where
    /// one cannot be, the others are all the same, and nothing but new holds waits for it.</summary>
    public Task RecoverAsync(CancellationToken cancellationToken) =>
        OneAtATimeAsync(RecoverOnceAsync, cancellationToken);

    /// <summary>Lets those go that nobody will let go any more, and forgets the ends of long ago.</summary>
    /// <param name="podsAddressesAsync">The addresses of the pods of this node; asked
    /// only where a hold is overdue.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many were let go.</returns>
    public async Task<int> SweepAsync(
        Func<CancellationToken, Task<IReadOnlySet<string>>> podsAddressesAsync, CancellationToken cancellationToken)
    {
        var swept = 0;
        await OneAtATimeAsync(
            async () =>
            {
                var now = time.GetUtcNow();
                IReadOnlySet<string>? taken = null;
                foreach (var path in Holds().Where(p => Read(p).Until < now))
                {
                    taken ??= await podsAddressesAsync(cancellationToken);
                    // A pod that has one still may stand there restored: its end is its
                    // kubelet's business, and then this one's.
                    if (!Read(path).Addresses.Any(taken.Contains)
                        && await TryAsync(path, () => EndAsync(Path.GetFileName(path))))
                    {
                        swept++;
                    }
                }

                foreach (var spare in Files().Where(f =>
                    f.EndsWith(Spare, StringComparison.Ordinal) && !File.Exists(f[..^Spare.Length])))
                {
                    File.Delete(spare);
                }

                foreach (var end in Files().Where(f => f.EndsWith(Over, StringComparison.Ordinal)))
                {
                    if (File.Exists(end[..^Over.Length]) || now - File.GetLastWriteTimeUtc(end) <= Late)
                    {
                        continue;
                    }

                    var addresses = await File.ReadAllLinesAsync(end, cancellationToken);
                    if (addresses.Length > 0
                        && addresses.Any((taken ??= await podsAddressesAsync(cancellationToken)).Contains))
                    {
                        // A call that is later still would cut off the pod that has come
                        // through. Asked again when this is as old.
                        File.SetLastWriteTimeUtc(end, now.UtcDateTime);
                    }
                    else
                    {
                        File.Delete(end);
                    }
                }
            },
            cancellationToken);
        return swept;
    }

    public void Dispose() => _one.Dispose();

    /// <summary>The script that holds addresses or lets them go, whatever stands already.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: not an address.</exception>
    internal static string Rules(string holder, IEnumerable<string> addresses, string verb) =>
        $$"""
        set -u
        rule() { tool=$1 action=$2 side=$3; $tool -w 10 -t raw "$action" PREROUTING "$side" "$4" -m comment --comment pod-checkpointing:{{holder}} -j DROP; }
        hold() { rule "$1" -C "$2" "$3" 2>/dev/null || rule "$1" -I "$2" "$3"; }
        let_go() { while rule "$1" -D "$2" "$3" 2>/dev/null; do :; done; ! rule "$1" -C "$2" "$3" 2>/dev/null; }

        """
        + string.Concat(addresses.Select(Parse).SelectMany(a => Sides.Select(side =>
            $"{verb} {(a.AddressFamily == AddressFamily.InterNetworkV6 ? "ip6tables" : "iptables")} {side} {a} || "
                + "exit 1\n")));

    private async Task<bool> RecoverOnceAsync()
    {
        if (!_recovered)
        {
            var all = true;
            foreach (var path in Holds())
            {
                all &= await TryAsync(
                    path, () => runAsync(Rules(Path.GetFileName(path), Read(path).Addresses, "hold")));
            }

            _recovered = all;
        }

        return _recovered;
    }

    private async Task<bool> TryAsync(string path, Func<Task> work)
    {
        try
        {
            await work();
            return true;
        }
        catch (Exception exception)
        {
            // Nobody can cancel it, so that a cancellation, too, is its own trouble.
            AgentLog.HoldFailed(logger, exception, Path.GetFileName(path));
            return false;
        }
    }

    private async Task EndAsync(string holder)
    {
        WholeFile.MakeFolder(_folder);
        var path = PathOf(holder);
        if (!File.Exists(path))
        {
            if (!File.Exists(path + Over))
            {
                WholeFile.Write(path + Over, []);
            }

            return;
        }

        // Somebody's pod stands still: not synced, for what takes its power takes the pod, too.
        if (File.Exists(path + Spare))
        {
            File.SetLastWriteTimeUtc(path + Spare, time.GetUtcNow().UtcDateTime);
            File.Move(path + Spare, path + Over, overwrite: true);
        }
        else if (!File.Exists(path + Over))
        {
            await File.WriteAllLinesAsync(path + Over, Read(path).Addresses, CancellationToken.None);
        }

        // The rules first: killed in between, the next call finds the file and nothing to do.
        await runAsync(Rules(holder, Read(path).Addresses, "let_go"));
        File.Delete(path);
    }

    private IEnumerable<string> Holds() => Files().Where(f => !Path.HasExtension(f));

    private string[] Files() => Directory.Exists(_folder) ? Directory.GetFiles(_folder) : [];

    private static (DateTimeOffset Until, IReadOnlyList<string> Addresses) Read(string path)
    {
        var lines = File.ReadAllLines(path);
        return lines is [var first, .. var rest] && first.StartsWith(Until, StringComparison.Ordinal)
            ? (DateTimeOffset.Parse(
                first[Until.Length..], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind), rest)
            : (File.GetLastWriteTimeUtc(path) + DefaultHold, lines);
    }

    private static IPAddress Parse(string address) =>
        IPAddress.TryParse(address, out var parsed)
            ? parsed
            : throw Refusal.Because(
                StatusCode.InvalidArgument, Reasons.InvalidArgument, $"\"{address}\" is not an address");

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
    private string PathOf(string holder) => Path.Combine(_folder, Field.Name("holder", holder));
}
