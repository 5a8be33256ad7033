using k8s;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>Follows many migrations at once, by one watch: a line for each that ends, or waits for somebody.</summary>
internal sealed class MovesWait(IKubernetes client, TimeProvider time, Terminal terminal, bool quiet)
{
    private readonly Dictionary<string, string> _stalls = [];

    /// <summary>Until each of them rests.</summary>
    /// <param name="moves">What was begun; it is kept up to date.</param>
    /// <param name="namespaceName">Where they are; null where they are in several.</param>
    /// <param name="cancellationToken">Ends the wait, not the migrations.</param>
    public async Task UntilAllEndAsync(
        IEnumerable<PodMove> moves, string? namespaceName, CancellationToken cancellationToken)
    {
        var open = moves.Where(
            move => move is { Migration: { } begun, Obstacle: null } && !MigrationText.HasComeToRest(begun))
            .ToDictionary(move => move.Migration!.Metadata.Uid!);
        if (open.Count == 0)
        {
            return;
        }

        var hasBegun = false;
        await using var silence = time.CreateTimer(
            _ => Tell(Volatile.Read(ref hasBegun) ? null : Waiting.NobodyThere), null, Waiting.Silence,
            Timeout.InfiniteTimeSpan);
        var follower = new Follower(client, time, Tell);
        await foreach (var seen in follower.FollowAllAsync<PodMigration>(
            new ListOptions { Namespace = namespaceName }, cancellationToken))
        {
            foreach (var (uid, move) in open)
            {
                See(move, seen.GetValueOrDefault(uid));
                Volatile.Write(ref hasBegun, hasBegun || move.Migration!.Status is not null);
                if (move.Obstacle is not null || MigrationText.HasComeToRest(move.Migration!))
                {
                    open.Remove(uid);
                    Say(move.Result, $"{move.Name}: {move.Message}");
                }
            }

            if (open.Count == 0)
            {
                return;
            }
        }
    }

    private void See(PodMove move, PodMigration? now)
    {
        if (now is null)
        {
            move.Obstacle = $"PodMigration {move.Migration!.Metadata.Name} was deleted before its end was seen";
            return;
        }

        move.Migration = now;
        var stall = (now.Status?.Conditions).Find(ConditionTypes.Stalled) is { Status: "True" } found
            ? $"{found.Reason}: {found.Message}"
            : "";
        if (stall != _stalls.GetValueOrDefault(now.Metadata.Uid!, ""))
        {
            _stalls[now.Metadata.Uid!] = stall;
            Say(stall.Length > 0 ? "waits" : "goes on", $"{move.Name}{(stall.Length > 0 ? ": " : "")}{stall}");
        }
    }

    private void Say(string what, string text)
    {
        if (!quiet)
        {
            terminal.Out.WriteLine(
                $"{time.GetUtcNow():HH:mm:ss.f}  {what,-20}  {text.ReplaceLineEndings(" ")}".TrimEnd());
        }
    }

    private void Tell(string? text)
    {
        if (!quiet && text is not null)
        {
            terminal.Error.WriteLine(text);
        }
    }
}
