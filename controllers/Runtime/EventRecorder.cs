using System.Net;
using System.Threading.Channels;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace PodCheckpointing.Runtime;

/// <summary>Tells an object's user what has happened to it.</summary>
public interface IEventRecorder
{
    /// <summary>Tells it. Never waits and never fails: an event is a courtesy.</summary>
    /// <param name="about">The object.</param>
    /// <param name="type">Normal or Warning.</param>
    /// <param name="reason">A CamelCase word, the same as in the object's conditions.</param>
    /// <param name="message">A sentence.</param>
    void Record(IKubernetesObject<V1ObjectMeta> about, string type, string reason, string message);
}

/// <summary>Writes events in the background; what is said again is counted, who says too much is not heard.</summary>
/// <remarks>As client-go's tools/record: the same event is counted up, and one object has a burst of 25 and then one in
/// five minutes. What a server that is away for a moment does not take is offered again, and what was said before the
/// stop is written before the process ends, as far as its time allows.</remarks>
public sealed class EventRecorder(
    IKubernetes kubernetes, string component, TimeProvider time, ILogger<EventRecorder> logger)
    : BackgroundService, IEventRecorder
{
    private const int Burst = 25;
    private const int Remembered = 4096;
    private static readonly TimeSpan Refill = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan[] Pauses =
    [
        TimeSpan.FromSeconds(1),
        TimeSpan.FromSeconds(3),
        TimeSpan.FromSeconds(9),
    ];

    private readonly Channel<Corev1Event> _queue = Channel.CreateBounded<Corev1Event>(
        new BoundedChannelOptions(1000) { FullMode = BoundedChannelFullMode.DropOldest });

    private readonly Dictionary<(
        string?, string, string, string), (string? Namespace, string Name, int Count)> _written = [];
    private readonly Dictionary<string, (double Tokens, long At)> _budgets = [];

    /// <inheritdoc/>
    public void Record(IKubernetesObject<V1ObjectMeta> about, string type, string reason, string message)
    {
        var now = time.GetUtcNow().UtcDateTime;
        var scope = about.Metadata.NamespaceProperty ?? "default";
        _queue.Writer.TryWrite(new Corev1Event
        {
            Metadata = new V1ObjectMeta
            {
                Name = $"{Shortened(about.Metadata.Name!)}.{Guid.NewGuid():N}",
                NamespaceProperty = scope,
            },
            InvolvedObject = new V1ObjectReference
            {
                ApiVersion = about.ApiVersion,
                Kind = about.Kind,
                Name = about.Metadata.Name,
                NamespaceProperty = about.Metadata.NamespaceProperty,
                Uid = about.Metadata.Uid,
            },
            Type = type,
            Reason = reason,
            Message = message.Length <= 1024 ? message : message[..1021] + "...",
            Source = new V1EventSource { Component = component },
            FirstTimestamp = now,
            LastTimestamp = now,
            Count = 1,
        });
    }

    // What ends with the process is offered once more and not waited for: others have to end in the same time.
    private readonly TaskCompletionSource _ending = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        _queue.Writer.TryComplete();
        _ending.TrySetResult();
        if (ExecuteTask is { } writing)
        {
            // How it ends is its own business; without this, the last words of a process would be lost with it.
            await writing.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await base.StopAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var item in _queue.Reader.ReadAllAsync(stoppingToken).ConfigureAwait(false))
        {
            if (MaySpeak(item.InvolvedObject.Uid ?? ""))
            {
                await OfferAsync(item, stoppingToken).ConfigureAwait(false);
            }
        }
    }

    private async Task OfferAsync(Corev1Event item, CancellationToken cancellationToken)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await WriteAsync(item, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (Exception exception)
                when (tries < Pauses.Length && !_ending.Task.IsCompleted && IsPassing(exception, cancellationToken))
            {
                await Task.WhenAny(_ending.Task, Task.Delay(Pauses[tries], time, cancellationToken))
                    .ConfigureAwait(false);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                RuntimeLog.EventFailed(logger, exception, item.Reason, item.InvolvedObject.Name);
                return;
            }
        }
    }

    private static bool IsPassing(Exception exception, CancellationToken cancellationToken) =>
        !cancellationToken.IsCancellationRequested && exception switch
        {
            KubernetesException refused => refused.Code == HttpStatusCode.TooManyRequests || (int)refused.Code >= 500,
            // The request's own time is over, too.
            HttpRequestException or OperationCanceledException => true,
            _ => false,
        };

    private async Task WriteAsync(Corev1Event item, CancellationToken cancellationToken)
    {
        var key = (item.InvolvedObject.Uid, item.Type, item.Reason, item.Message);
        if (_written.TryGetValue(key, out var old))
        {
            var count = old.Count + 1;
            var patch = KubernetesJson.Serialize(new { lastTimestamp = item.LastTimestamp, count });
            try
            {
                await kubernetes.PatchAsync<Corev1Event>(
                    old.Namespace, old.Name, null, PatchType.Merge, patch, component, cancellationToken)
                    .ConfigureAwait(false);
                _written[key] = old with { Count = count };
                return;
            }
            catch (KubernetesException exception) when (exception.IsNotFound)
            {
                // Events are forgotten after an hour: it is a new one.
            }
        }

        if (_written.Count >= Remembered)
        {
            _written.Clear();
        }

        try
        {
            await kubernetes.CreateAsync(item, cancellationToken).ConfigureAwait(false);
        }
        catch (KubernetesException exception) when (exception.IsAlreadyExists)
        {
            // Its name is its own: an earlier try had come through, and only the answer had not.
        }

        _written[key] = (item.Metadata.NamespaceProperty, item.Metadata.Name!, 1);
    }

    private bool MaySpeak(string uid)
    {
        if (_budgets.Count >= Remembered)
        {
            _budgets.Clear();
        }

        var now = time.GetTimestamp();
        var (tokens, at) = _budgets.GetValueOrDefault(uid, (Burst, now));
        tokens = Math.Min(Burst, tokens + (time.GetElapsedTime(at, now) / Refill));
        _budgets[uid] = (tokens >= 1 ? tokens - 1 : tokens, now);
        return tokens >= 1;
    }

    private static string Shortened(string name) => name.Length <= 200 ? name : name[..200].TrimEnd('-', '.');
}
