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
/// <remarks>As client-go's reflector. Objects handed out are shared and never changed. What this process has written
/// itself is in the copy at once: see <see cref="RecordWrite"/>.</remarks>
public sealed class Informer<T> : BackgroundService, IInformer
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    private const int PageSize = 500;
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly IKubernetes _kubernetes;
    private readonly TimeProvider _time;
    private readonly ILogger<Informer<T>> _logger;
    private readonly InformerMetrics _metrics;
    private readonly ObjectStore<T> _store;
    private Action<T>? _changed;

    /// <summary>Sessions that have failed since a watch last told something.</summary>
    private int _failures;

    /// <summary>An informer of a kind; it begins with its start.</summary>
    public Informer(IKubernetes kubernetes, TimeProvider time, ILogger<Informer<T>> logger)
    {
        (_kubernetes, _time, _logger) = (kubernetes, time, logger);
        _metrics = new InformerMetrics(typeof(T), time);
        _store = new ObjectStore<T>(OnStored);
    }

    /// <inheritdoc/>
    public Task Synced => _synced.Task;

    /// <summary>All objects.</summary>
    public ICollection<T> All => _store.All;

    /// <summary>Is told every object that came, changed or went.</summary>
    public void AddEventHandler(Action<T> handler) => _changed += handler;

    /// <summary>Keeps only what this leaves of an object; those who are told of a change are
    /// told all. Before the start.</summary>
    public void SetTransform(Func<T, T> transform) => _store.SetTransform(transform);

    /// <summary>Has objects found by an index from now on; before the start.</summary>
    public void AddIndex(ObjectIndex<T> index) => _store.AddIndex(index);

    /// <summary>The objects that an index finds by a value.</summary>
    public IReadOnlyList<T> ByIndex(ObjectIndex<T> index, string value) => _store.ByIndex(index, value);

    /// <summary>One object, or null.</summary>
    public T? Find(ObjectKey key) => _store.Find(key);

    /// <summary>Takes what the API server has answered to a write, which a watch tells a moment later: until then the
    /// next run would see the object as it was, and do the same once more in vain.</summary>
    public void RecordWrite(T item) => _store.RecordWrite(item);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var began = _time.GetTimestamp();
            var asked = TimeSpan.Zero;
            try
            {
                await WatchAsync(await ListAsync(stoppingToken).ConfigureAwait(false), stoppingToken)
                    .ConfigureAwait(false);
            }
            catch (KubernetesException exception) when (exception.IsGone)
            {
                _failures++;
                RuntimeLog.WatchExpired(_logger, typeof(T).Name);
                _metrics.Expired();
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                RuntimeLog.WatchFailed(_logger, exception, typeof(T).Name);
                _metrics.Failed();
                _failures++;
                // Of an hour, as some proxies say, nothing would be seen meanwhile.
                asked = (exception as KubernetesException)?.RetryAfter is { } after ? (after < Longest
                    ? after
                    : Longest) : asked;
            }

            var rest = TimeSpan.FromTicks(Math.Min(Longest.Ticks, Shortest.Ticks << Math.Clamp(_failures - 1, 0, 10)));
            await RestAsync(began, rest, asked, stoppingToken).ConfigureAwait(false);
        }
    }

    /// <summary>Never more than one session a second, ever fewer while each of them fails, and not all kinds at once
    /// after an outage: every list is a load on a server that may have come down under one.</summary>
    private async Task RestAsync(long began, TimeSpan interval, TimeSpan asked, CancellationToken cancellationToken)
    {
        var rest = interval - _time.GetElapsedTime(began);
        rest = rest > asked ? rest : asked;
        if (rest > TimeSpan.Zero)
        {
            await Task.Delay(rest * (1 + (Random.Shared.NextDouble() / 4)), _time, cancellationToken)
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
            var page = await _kubernetes.ListAsync<T>(
                new ListOptions { Limit = PageSize, Continue = next }, cancellationToken)
                .ConfigureAwait(false);
            seen.UnionWith(page.Items.Select(item => ObjectKey.Of(item)));
            _store.AddPage(page.Items, page.Metadata.ResourceVersion);
            (next, version) = (page.Metadata.Continue, page.Metadata.ResourceVersion);
        }
        while (!string.IsNullOrEmpty(next));

        _store.EndList(seen, version);
        _metrics.Listed();
        _synced.TrySetResult();
        return version;
    }

    private async Task WatchAsync(string? version, CancellationToken cancellationToken)
    {
        while (true)
        {
            var began = _time.GetTimestamp();
            var timeout = TimeSpan.FromSeconds(Random.Shared.Next(300, 600));
            var options = new ListOptions { ResourceVersion = version, Timeout = timeout };
            // The server ends a watch in time. One that has forgotten it would look like a quiet cluster for ever.
            using var forgotten = new CancellationTokenSource(timeout + Grace, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(forgotten.Token, cancellationToken);
            await foreach (var (type, item) in _kubernetes.WatchAsync<T>(options, either.Token).ConfigureAwait(false))
            {
                version = item.Metadata.ResourceVersion;
                _failures = 0;
                _metrics.EventReceived();
                _store.ApplyEvent(type, item);
            }

            await RestAsync(began, Shortest, TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
        }
    }

    private void OnStored(T item, T? old, T? kept)
    {
        if (kept is null)
        {
            _metrics.ObjectRemoved();
        }
        else if (old is null)
        {
            _metrics.ObjectAdded();
        }
        else if (old.Metadata.Uid != item.Metadata.Uid)
        {
            // A list finds a namesake where the old one went unseen: who waits for its end knows it by its uid.
            Notify(old);
        }

        Notify(item);
    }

    // Each of them, whatever another one makes of it: an event that is not told now is never told.
    private void Notify(T item)
    {
        foreach (var handler in _changed?.GetInvocationList() ?? [])
        {
            try
            {
                ((Action<T>)handler)(item);
            }
            catch (Exception exception)
            {
                RuntimeLog.HandlerFailed(_logger, exception, typeof(T).Name, ObjectKey.Of(item).ToString());
            }
        }
    }
}
