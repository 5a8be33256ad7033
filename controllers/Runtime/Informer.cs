using System.Collections.Concurrent;
using System.Collections.Immutable;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Runtime;

/// <summary>Something that fills a store and can say when it has begun.</summary>
public interface IInformer
{
    /// <summary>Completes when the first list is in the store.</summary>
    Task Synced { get; }
}

/// <summary>Keeps a copy of all objects of a kind: a list, then a watch, then again.</summary>
/// <remarks>As client-go's reflector. Objects handed out are shared and never changed.</remarks>
public sealed class Informer<T>(IKubernetes kubernetes, TimeProvider time, ILogger<Informer<T>> logger)
    : BackgroundService, IInformer
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    private const int PageSize = 500;
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);
    private readonly ConcurrentDictionary<ObjectKey, T> _store = new();
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly InformerMetrics _metrics = new(typeof(T), time);
    private readonly Dictionary<ObjectIndex<T>, ConcurrentDictionary<string, ImmutableArray<T>>> _indexes = [];
    private Func<T, T> _kept = item => item;
    private Action<T>? _changed;

    /// <inheritdoc/>
    public Task Synced => _synced.Task;

    /// <summary>All objects.</summary>
    public ICollection<T> All => _store.Values;

    /// <summary>Is told every object that came, changed or went.</summary>
    public void OnChange(Action<T> handler) => _changed += handler;

    /// <summary>Keeps only what this leaves of an object; those who are told of a change are told all. Before the start.</summary>
    public void Keep(Func<T, T> kept) => _kept = kept;

    /// <summary>Has objects found by an index from now on; before the start.</summary>
    public void AddIndex(ObjectIndex<T> index) => _indexes[index] = new ConcurrentDictionary<string, ImmutableArray<T>>();

    /// <summary>The objects that an index finds by a value.</summary>
    public IReadOnlyList<T> Where(ObjectIndex<T> index, string value) =>
        _indexes[index].TryGetValue(value, out var found) ? found : [];

    /// <summary>One object, or null.</summary>
    public T? Find(ObjectKey key) => _store.GetValueOrDefault(key);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var began = time.GetTimestamp();
            try
            {
                await WatchAsync(await ListAsync(stoppingToken).ConfigureAwait(false), stoppingToken).ConfigureAwait(false);
            }
            catch (KubernetesException exception) when (exception.IsGone)
            {
                RuntimeLog.WatchExpired(logger, typeof(T).Name);
                _metrics.Expired();
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                RuntimeLog.WatchFailed(logger, exception, typeof(T).Name);
                _metrics.Failed();
            }

            await RestAsync(began, stoppingToken).ConfigureAwait(false);
        }
    }

    /// <summary>Never more than one session a second, and not all kinds at once after an outage.</summary>
    private async Task RestAsync(long began, CancellationToken cancellationToken)
    {
        var rest = Shortest - time.GetElapsedTime(began);
        if (rest > TimeSpan.Zero)
        {
            await Task.Delay(rest + TimeSpan.FromMilliseconds(Random.Shared.Next(250)), time, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    private async Task<string?> ListAsync(CancellationToken cancellationToken)
    {
        var seen = new HashSet<ObjectKey>();
        string? next = null;
        string? version;
        do
        {
            var page = await kubernetes.ListAsync<T>(new ListOptions { Limit = PageSize, Continue = next }, cancellationToken)
                .ConfigureAwait(false);
            foreach (var item in page.Items)
            {
                seen.Add(ObjectKey.Of(item));
                Store(item);
            }

            (next, version) = (page.Metadata.Continue, page.Metadata.ResourceVersion);
        }
        while (!string.IsNullOrEmpty(next));

        // What went while nobody watched.
        foreach (var key in _store.Keys.Where(k => !seen.Contains(k)).ToList())
        {
            Remove(key);
        }

        _metrics.Listed();
        _synced.TrySetResult();
        return version;
    }

    private async Task WatchAsync(string? version, CancellationToken cancellationToken)
    {
        while (true)
        {
            var began = time.GetTimestamp();
            var timeout = TimeSpan.FromSeconds(Random.Shared.Next(300, 600));
            var options = new ListOptions { ResourceVersion = version, Timeout = timeout };
            // The server ends a watch in time. One that has forgotten it would look like a quiet cluster for ever.
            using var forgotten = new CancellationTokenSource(timeout + Grace, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(forgotten.Token, cancellationToken);
            await foreach (var (type, item) in kubernetes.WatchAsync<T>(options, either.Token).ConfigureAwait(false))
            {
                version = item.Metadata.ResourceVersion;
                _metrics.Told();
                switch (type)
                {
                    case WatchEventType.Added or WatchEventType.Modified:
                        Store(item);
                        break;
                    case WatchEventType.Deleted:
                        Remove(ObjectKey.Of(item));
                        break;
                }
            }

            await RestAsync(began, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Store(T item)
    {
        var key = ObjectKey.Of(item);
        _store.TryGetValue(key, out var old);
        if (old is not null && old.Metadata.ResourceVersion == item.Metadata.ResourceVersion)
        {
            return;
        }

        var kept = _kept(item);
        _store[key] = kept;
        Reindex(old, kept);
        if (old is null)
        {
            _metrics.Came();
        }

        if (old is not null && old.Metadata.Uid != item.Metadata.Uid)
        {
            // A list finds a namesake where the old one went unseen: who waits for its end knows it by its uid.
            Tell(old);
        }

        Tell(item);
    }

    private void Remove(ObjectKey key)
    {
        if (_store.TryRemove(key, out var old))
        {
            Reindex(old, null);
            _metrics.Went();
            Tell(old);
        }
    }

    // Only the informer itself writes, one change after the other.
    private void Reindex(T? old, T? item)
    {
        foreach (var (index, found) in _indexes)
        {
            var (before, after) = (old is null ? null : index.Of(old), item is null ? null : index.Of(item));
            if (before is not null && found.TryGetValue(before, out var all))
            {
                all = all.Remove(old!, ReferenceEqualityComparer.Instance);
                if (all.Length > 0 || before == after)
                {
                    found[before] = before == after ? all.Add(item!) : all;
                }
                else
                {
                    found.TryRemove(before, out _);
                }
            }

            if (after is not null && before != after)
            {
                found[after] = found.TryGetValue(after, out var others) ? others.Add(item!) : [item!];
            }
        }
    }

    // Each of them, whatever another one makes of it: an event that is not told now is never told.
    private void Tell(T item)
    {
        foreach (var handler in _changed?.GetInvocationList() ?? [])
        {
            try
            {
                ((Action<T>)handler)(item);
            }
            catch (Exception exception)
            {
                RuntimeLog.HandlerFailed(logger, exception, typeof(T).Name, ObjectKey.Of(item).ToString());
            }
        }
    }
}
