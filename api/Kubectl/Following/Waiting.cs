using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>Shows an object's progress until it has ended.</summary>
internal sealed class Waiting(IKubernetes client, TimeProvider time)
{
    /// <summary>How a user sees whether the operator runs.</summary>
    public const string LookForOperator =
        "kubectl get pods -A -l " + WellKnown.NameLabel + "=" + WellKnown.OperatorName;

    /// <summary>After so long without a sign of it its user is told.</summary>
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(10);

    /// <summary>What is said when it gives no sign.</summary>
    public static readonly string NobodyThere =
        $"nothing has happened for {Amounts.Duration(Silence)}: does the operator run? {LookForOperator}";

    /// <summary>Follows until the end; the last state.</summary>
    /// <param name="item">The object to follow.</param>
    /// <param name="view">Shows each state.</param>
    /// <param name="limit">How long to wait; null for as long as it takes.</param>
    /// <param name="goOn">What to tell somebody who stops waiting.</param>
    /// <param name="cancellationToken">The user's Ctrl-C.</param>
    public async Task<T> UntilEndAsync<T>(
        T item, IProgressView<T> view, TimeSpan? limit, string goOn, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        using var deadline = new CancellationTokenSource(limit ?? Timeout.InfiniteTimeSpan, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var follower = new Follower(client, time, text => view.Tell(text));
        try
        {
            return await view.RunAsync(async show => await UntilEndAsync(follower, item, view, show, either.Token));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.Interrupted, $"stopped waiting; {ObjectNames.Of(item)} goes on without you.\n{goOn}");
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            throw new CommandException(
                ExitCode.TimedOut,
                $"{ObjectNames.Of(item)} has not ended within {Amounts.Duration(limit)} (--wait-timeout) and goes "
                    + $"on.\n{goOn}");
        }
    }

    private async Task<T> UntilEndAsync<T>(
        Follower follower, T item, IProgressView<T> view, Action<T> show, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var last = item;
        // Nobody may be there to do it: say so, once, and keep waiting.
        await using var silence = time.CreateTimer(
            _ =>
            {
                if (!view.HasBegun(last))
                {
                    view.Tell(NobodyThere);
                }
            },
            null, Silence, Timeout.InfiniteTimeSpan);
        await foreach (var state in follower.FollowAsync<T>(
            item.Metadata.NamespaceProperty!, item.Metadata.Name!, item.Metadata.Uid, cancellationToken))
        {
            last = state;
            show(state);
            if (view.HasEnded(state))
            {
                return state;
            }
        }

        throw new CommandException(ExitCode.Failed, $"{ObjectNames.Of(item)} was deleted before it ended");
    }
}

/// <summary>Shows how an object gets on.</summary>
internal interface IProgressView<T>
{
    /// <summary>Whether anybody has begun to work on it.</summary>
    bool HasBegun(T item);

    /// <summary>Whether nothing more will happen.</summary>
    bool HasEnded(T item);

    /// <summary>Runs something that shows states.</summary>
    Task<T> RunAsync(Func<Action<T>, Task<T>> follow);

    /// <summary>Says something about the connection, not about the object.</summary>
    void Tell(string text);
}
