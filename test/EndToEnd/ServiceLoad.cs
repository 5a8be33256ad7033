using System.Collections.Concurrent;
using System.Net.Sockets;
using k8s;
using k8s.Models;

namespace PodCheckpointing.EndToEnd;

/// <summary>A client of a Service: takes the next ready endpoint of its EndpointSlices for each request, as a proxy on
/// a node would, and counts its own errors.</summary>
internal sealed class ServiceLoad : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly IKubernetes _kubernetes;
    private readonly string _service;
    private readonly Task _work;
    private volatile IReadOnlyList<V1Endpoint> _endpoints = [];
    private int _requests;
    private int _errors;
    private int _errorsInARow;
    private int _mostInARow;

    public ServiceLoad(IKubernetes kubernetes, string service)
    {
        (_kubernetes, _service) = (kubernetes, service);
        _work = Task.WhenAll(FollowAsync(), AskAsync());
    }

    public int Requests => _requests;

    public int Errors => _errors;

    /// <summary>The longest time without an answer, in requests.</summary>
    public int MostInARow => _mostInARow;

    /// <summary>How often each pod has answered, by its uid.</summary>
    public ConcurrentDictionary<string, int> Answers { get; } = new();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work;
        _stop.Dispose();
    }

    private async Task FollowAsync()
    {
        try
        {
            var mine = new ListOptions
            {
                Namespace = "default",
                LabelSelector = $"{V1EndpointSlice.ServiceName}={_service}",
                Timeout = TimeSpan.FromMinutes(10),
            };
            var list = await _kubernetes.ListAsync<V1EndpointSlice>(mine, _stop.Token);
            _endpoints = [.. list.Items.SelectMany(s => s.Endpoints)];
            await foreach (var (type, slice) in _kubernetes.WatchAsync<V1EndpointSlice>(
                mine with { ResourceVersion = list.Metadata.ResourceVersion }, _stop.Token))
            {
                if (type is WatchEventType.Added or WatchEventType.Modified)
                {
                    _endpoints = [.. slice.Endpoints];
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // That was all.
        }
    }

    private async Task AskAsync()
    {
        for (var turn = 0; !_stop.IsCancellationRequested; turn++)
        {
            var ready = _endpoints.Where(e => e.Conditions?.Ready != false).ToList();
            if (ready.Count == 0)
            {
                await Task.Delay(50);
                continue;
            }

            var endpoint = ready[turn % ready.Count];
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            _requests++;
            try
            {
                using var client = await LineClient.ConnectAsync(endpoint.Addresses[0], patience.Token);
                await client.SendAsync("x", patience.Token);
                Answers.AddOrUpdate(endpoint.TargetRef!.Uid!, 1, (_, n) => n + 1);
                _errorsInARow = 0;
            }
            catch (Exception exception) when (exception is IOException or SocketException or OperationCanceledException)
            {
                _errors++;
                _mostInARow = Math.Max(_mostInARow, ++_errorsInARow);
            }

            await Task.Delay(10);
        }
    }
}
