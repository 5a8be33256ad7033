using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text.Json;
using Grpc.Core;
using k8s;
using k8s.Models;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>What the probes of one pod's containers have said.</summary>
internal sealed class ProbeResults(CriRuntime runtime, TimeProvider time) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
    private readonly ConcurrentDictionary<(string Id, string Kind), Result> _results = new();

    private sealed record Result(DateTimeOffset Next, int Failures, int Successes, bool Good);

    /// <summary>Asks what is due; true when the container must be killed.</summary>
    public async Task<bool> MustDieAsync(
        V1Container container, string id, string podIP, CancellationToken cancellationToken)
    {
        // As long as a container starts, nobody asks it anything else.
        if (StartupOf(container) is { } startup && !IsStarted(container, id))
        {
            await ProbeAsync(startup, container, id, "startup", podIP, cancellationToken);
            return _results.TryGetValue((id, "startup"), out var result)
                && !result.Good && result.Failures >= (startup.FailureThreshold ?? 3);
        }

        await ProbeAsync(container.ReadinessProbe, container, id, "readiness", podIP, cancellationToken);
        return !await ProbeAsync(container.LivenessProbe, container, id, "liveness", podIP, cancellationToken);
    }

    public bool IsStarted(V1Container container, string id) =>
        StartupOf(container) is null || (_results.TryGetValue((id, "startup"), out var result) && result.Good);

    public bool IsReady(V1Container container, string id) =>
        IsStarted(container, id)
        && (container.ReadinessProbe is null
            || (_results.TryGetValue((id, "readiness"), out var result) && result.Good));

    public void Dispose() => _http.Dispose();

    private static string Host(JsonElement action, string podIP) =>
        action.TryGetProperty("host", out var host) ? host.GetString()! : podIP;

    // A number, or the name of one of the container's ports.
    private static int Port(JsonElement action, V1Container container) =>
        action.GetProperty("port") is { ValueKind: JsonValueKind.Number } number
            ? number.GetInt32()
            : container.More!["ports"].EnumerateArray()
                .Single(p => p.TryGetProperty("name", out var name)
                    && name.GetString() == action.GetProperty("port").GetString())
                .GetProperty("containerPort").GetInt32();

    private static V1Probe? StartupOf(V1Container container) =>
        container.More?.TryGetValue("startupProbe", out var probe) == true
            ? probe.Deserialize<V1Probe>(KubernetesJson.Options)
            : null;

    private async Task<bool> ProbeAsync(
        V1Probe? probe, V1Container container, string id, string kind, string podIP,
        CancellationToken cancellationToken)
    {
        if (probe is null)
        {
            return true;
        }

        var now = time.GetUtcNow();
        // Alive until the contrary is shown; ready and started when it is.
        var last = _results.GetOrAdd(
            (id, kind), new Result(now.AddSeconds(probe.InitialDelaySeconds ?? 0), 0, 0, kind == "liveness"));
        if (last.Next > now)
        {
            return last.Good;
        }

        var passed = await AskAsync(probe, container, id, podIP, cancellationToken);
        var failures = passed ? 0 : last.Failures + 1;
        var successes = passed ? last.Successes + 1 : 0;
        var good = last.Good
            ? failures < (probe.FailureThreshold ?? 3)
            : successes >= (probe.More?.TryGetValue("successThreshold", out var needed) == true
                ? needed.GetInt32()
                : 1);
        _results[(id, kind)] = new Result(now.AddSeconds(probe.PeriodSeconds ?? 10), failures, successes, good);
        return good;
    }

    private async Task<bool> AskAsync(
        V1Probe probe, V1Container container, string id, string podIP, CancellationToken cancellationToken)
    {
        var limit = TimeSpan.FromSeconds(probe.TimeoutSeconds ?? 1);
        try
        {
            if (probe.Exec is { } exec)
            {
                return (await runtime
                    .ExecAsync(id, exec.Command, (int)limit.TotalSeconds, cancellationToken)).ExitCode == 0;
            }

            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(limit);
            if (probe.More?.TryGetValue("tcpSocket", out var tcp) == true)
            {
                using var client = new TcpClient();
                await client.ConnectAsync(Host(tcp, podIP), Port(tcp, container), deadline.Token);
                return true;
            }

            if (probe.More?.TryGetValue("httpGet", out var get) == true)
            {
                var path = get.TryGetProperty("path", out var p) ? p.GetString() : "/";
                using var response = await _http.GetAsync(
                    new Uri($"http://{Host(get, podIP)}:{Port(get, container)}{path}"), deadline.Token);
                return (int)response.StatusCode is >= 200 and < 400;
            }

            return false;
        }
        catch (Exception exception) when (exception is RpcException or SocketException or HttpRequestException
            || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }
}
