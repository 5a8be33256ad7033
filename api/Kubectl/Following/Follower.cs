using System.Runtime.CompilerServices;
using k8s;
using k8s.Models;
using PodCheckpointing.Kubectl.Cluster;

namespace PodCheckpointing.Kubectl.Following;

/// <summary>Follows one object, or all of a kind, through every change, across lost connections.</summary>
internal sealed class Follower(IKubernetes client, TimeProvider time, Action<string> trouble)
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan OneWatch = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    /// <summary>The states of an object that are seen, the present one first; ends when the object is gone.</summary>
    /// <param name="namespaceName">The object's namespace.</param>
    /// <param name="name">The object's name.</param>
    /// <param name="uid">The object that is meant, once that is known: a namesake is another one.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<T> FollowAsync<T>(
        string namespaceName, string name, string? uid, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        for (var lost = false; ;)
        {
            T? item = default;
            string? problem = null;
            try
            {
                item = await client.GetAsync<T>(namespaceName, name, cancellationToken);
            }
            catch (KubernetesException exception)
                when (exception.IsNotFound && !exception.IsUnknownKind() && uid is not null)
            {
                yield break;
            }
            catch (Exception exception) when (uid is not null && IsPassing(exception, cancellationToken))
            {
                problem = exception.Message;
            }

            if (item is not null)
            {
                if (uid is not null && item.Metadata.Uid != uid)
                {
                    yield break;
                }

                uid = item.Metadata.Uid;
                lost = false;
                yield return item;
                await foreach (var change in ChangesAsync<T>(OneOf(item), cancellationToken))
                {
                    if (change.Type == WatchEventType.Deleted || change.Item.Metadata.Uid != uid)
                    {
                        yield break;
                    }

                    yield return change.Item;
                }
            }
            else if (!lost)
            {
                lost = true;
                trouble($"connection lost, trying again: {problem}");
            }

            await Task.Delay(Again, time, cancellationToken);
        }
    }

    /// <summary>All objects of a kind by uid: as they are at first, and after each
    /// change. Never ends by itself.</summary>
    /// <param name="which">Of which namespace, or of all.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<IReadOnlyDictionary<string, T>> FollowAllAsync<T>(
        ListOptions which, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        for (var lost = false; ;)
        {
            (List<T> Items, string? Version)? list = null;
            try
            {
                list = await client.AllWithVersionAsync<T>(which, cancellationToken);
            }
            catch (Exception exception) when (IsPassing(exception, cancellationToken))
            {
                if (!lost)
                {
                    trouble($"connection lost, trying again: {exception.Message}");
                }
            }

            lost = list is null;
            if (list is { } seen)
            {
                var all = seen.Items.ToDictionary(item => item.Metadata.Uid!);
                yield return all;
                await foreach (var change in ChangesAsync<T>(
                    which with { ResourceVersion = seen.Version }, cancellationToken))
                {
                    if (change.Type == WatchEventType.Deleted)
                    {
                        all.Remove(change.Item.Metadata.Uid!);
                    }
                    else
                    {
                        all[change.Item.Metadata.Uid!] = change.Item;
                    }

                    yield return all;
                }
            }

            await Task.Delay(Again, time, cancellationToken);
        }
    }

    private static ListOptions OneOf<T>(T item)
        where T : IKubernetesObject<V1ObjectMeta> => new()
        {
            Namespace = item.Metadata.NamespaceProperty,
            FieldSelector = $"metadata.name={item.Metadata.Name}",
            ResourceVersion = item.Metadata.ResourceVersion,
        };

    /// <summary>One watch, until it breaks off.</summary>
    private async IAsyncEnumerable<WatchEvent<T>> ChangesAsync<T>(
        ListOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        // The server ends a watch in time. One that has forgotten it would look like an
        // object that does not change, for ever.
        using var forgotten = new CancellationTokenSource(OneWatch + Grace, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(forgotten.Token, cancellationToken);
        await using var events =
            client.WatchAsync<T>(options with { Timeout = OneWatch }, either.Token).GetAsyncEnumerator(either.Token);
        while (true)
        {
            try
            {
                if (!await events.MoveNextAsync())
                {
                    yield break;
                }
            }
            catch (Exception exception) when (IsPassing(exception, cancellationToken))
            {
                yield break;
            }

            if (events.Current.Type != WatchEventType.Bookmark)
            {
                yield return events.Current;
            }
        }
    }

    // What another attempt may mend: the network, a server that restarts, a version that is too old to watch from.
    private static bool IsPassing(Exception exception, CancellationToken cancellationToken) =>
        !cancellationToken.IsCancellationRequested && exception switch
        {
            KubernetesException refused =>
                refused.IsGone || refused.IsUnknownKind() || (int)refused.Code >= 500 || (int)refused.Code == 429,
            CommandException { ExitCode: ExitCode.TimedOut } => true,
            HttpRequestException or IOException or System.Text.Json.JsonException or OperationCanceledException => true,
            _ => false,
        };
}
