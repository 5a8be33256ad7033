using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;
using Polly;
using Polly.Retry;

namespace PodCheckpointing.Agent.Kubelet;

/// <summary>The checkpoint endpoint of this node's kubelet (KEP-2008).</summary>
internal sealed class KubeletClient : IDisposable
{
    /// <summary>CRI's own default, to which kubelet raises smaller values. It takes greater ones as they are.</summary>
    internal const int DefaultTimeoutSeconds = 120;

    /// <summary>How long kubelet may take for a question that it answers from its memory: less than whoever asks the
    /// agent waits, lest the agent be taken for the one that hangs.</summary>
    private static readonly TimeSpan Probe = TimeSpan.FromSeconds(5);

    /// <summary>kubelet's words for a call to the runtime of which it has not seen the end. The runtime goes on with
    /// the dump: CRI-O's does not end with the call, nor CRIU's with CRI-O.</summary>
    private static readonly string[] Unknown = ["code = DeadlineExceeded", "code = Canceled", "code = Unavailable"];

    private readonly HttpClient _http;
    private readonly AgentOptions _options;
    private readonly TimeProvider _time;
    private readonly ResiliencePipeline<HttpResponseMessage> _beforeTheDump;

    public KubeletClient(IOptions<AgentOptions> options, TimeProvider time)
    {
        (_options, _time) = (options.Value, time);
        var tls = new SslClientAuthenticationOptions
        {
            // Read for each connection: a cluster's authorities are rotated.
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                KubeletAuthority.Check(
                    _options.KubeletCa,
                    _options.ExpectedKubeletName,
                    certificate as X509Certificate2,
                    chain,
                    errors,
                    time.GetUtcNow()),
        };
        if (_options is { KubeletClientCertificate: { } certificate, KubeletClientKey: { } key })
        {
            tls.LocalCertificateSelectionCallback = AgentTls.ClientCertificate(certificate, key);
        }

        _http = new HttpClient(new SocketsHttpHandler { SslOptions = tls, ConnectTimeout = TimeSpan.FromSeconds(5) })
        {
            BaseAddress = new Uri(_options.KubeletUrl),
            Timeout = Timeout.InfiniteTimeSpan,
        };

        // Only what certainly came before a dump is tried again: a second dump would stop the pod a second time.
        _beforeTheDump = new ResiliencePipelineBuilder<HttpResponseMessage> { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                MaxRetryAttempts = 4,
                Delay = TimeSpan.FromSeconds(2),
                BackoffType = DelayBackoffType.Exponential,
                ShouldHandle = arguments => ValueTask.FromResult(
                    arguments.Outcome.Exception is HttpRequestException
                    {
                        HttpRequestError: HttpRequestError.ConnectionError, InnerException: SocketException,
                    }
                    || arguments.Outcome.Result?.StatusCode == HttpStatusCode.ServiceUnavailable),
            })
            .Build();
    }

    /// <summary>Dumps a container; returns the path of the tar on this node.</summary>
    /// <exception cref="RpcException">kubelet refused, or nobody knows what became of the call.</exception>
    public async Task<string> CheckpointAsync(
        string podNamespace, string pod, string container, uint timeoutSeconds, CancellationToken cancellationToken)
    {
        var seconds = timeoutSeconds == 0 ? DefaultTimeoutSeconds : timeoutSeconds;
        var limit = TimeSpan.FromSeconds(Math.Max(seconds, DefaultTimeoutSeconds) + 30);
        using var patience = new CancellationTokenSource(limit, _time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        var path = $"/checkpoint/{podNamespace}/{pod}/{container}?timeout={seconds}";
        HttpResponseMessage response;
        try
        {
            response = await _beforeTheDump.ExecuteAsync(
                async token => await SendAsync(path, token), deadline.Token);
        }
        catch (HttpRequestException exception)
        {
            throw Refusal.Because(
                StatusCode.Unavailable, Reasons.KubeletUnavailable, $"kubelet does not answer: {Why(exception)}",
                exception);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw Refusal.Because(
                StatusCode.Unavailable,
                Reasons.KubeletUnavailable,
                $"kubelet has not answered within {limit.TotalSeconds:0} s",
                exception);
        }

        using (response)
        {
            var text = await response.Content.ReadAsStringAsync(deadline.Token);
            return response.IsSuccessStatusCode ? FileIn(text) : throw Explain(response.StatusCode, text.Trim());
        }
    }

    /// <summary>Asks for a pod that does not exist: how kubelet refuses tells whether it could checkpoint.</summary>
    public async Task<(bool Works, string Message)> ProbeAsync(CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Probe, _time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            using var response =
                await SendAsync("/checkpoint/default/no-such-pod-checkpointing-probe/c", deadline.Token);
            var text = (await response.Content.ReadAsStringAsync(deadline.Token)).Trim();
            return text == "pod does not exist"
                ? (true, "")
                : (false, Explain(response.StatusCode, text).Status.Detail);
        }
        catch (HttpRequestException exception)
        {
            return (false, $"kubelet does not answer: {Why(exception)}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return (false, $"kubelet has not answered for {Probe.TotalSeconds:0} s");
        }
    }

    public void Dispose() => _http.Dispose();

    internal static RpcException Explain(HttpStatusCode code, string text) => (code, text) switch
    {
        (HttpStatusCode.NotFound, "pod does not exist") =>
            Refusal.Because(StatusCode.NotFound, Reasons.PodNotFound, "the pod does not exist on this node"),
        (HttpStatusCode.NotFound, "404 page not found") => Refusal.Because(
            StatusCode.FailedPrecondition,
            Reasons.CheckpointDisabled,
            "kubelet has no checkpoint endpoint: turn on its feature gate ContainerCheckpoint"),
        (HttpStatusCode.NotFound, _) =>
            Refusal.Because(StatusCode.NotFound, Reasons.ContainerNotFound, $"kubelet: {text}"),
        (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden, _) => Refusal.Because(
            StatusCode.PermissionDenied,
            Reasons.KubeletForbidden,
            $"kubelet does not let the agent checkpoint: {text}; grant its identity create on nodes/checkpoint"),
        (HttpStatusCode.ServiceUnavailable, _) => Refusal.Because(
            StatusCode.Unavailable, Reasons.KubeletUnavailable, $"kubelet is busy (503): {Short(text)}"),
        (_, var t) when Unknown.Any(u => t.Contains(u, StringComparison.Ordinal)) => Refusal.Because(
            StatusCode.Unavailable, Reasons.KubeletUnavailable,
            $"kubelet has not seen the end of the dump: {Short(text)}"),
        (_, var t) when t.Contains("Connected TCP socket", StringComparison.Ordinal) =>
            ConnectedSocketsRefused("CRIU found one"),
        (_, var t) when t.Contains("checkpoint/restore support not available", StringComparison.Ordinal) =>
            Refusal.Because(
                StatusCode.FailedPrecondition,
                Reasons.CheckpointDisabled,
                "the container runtime of the node has CRIU support switched off: see config/crio"),
        (_, var t) when t.EndsWith("not found)", StringComparison.Ordinal) => Refusal.Because(
            StatusCode.FailedPrecondition, Reasons.PodNotRunning, $"the container does not run: {text}"),
        (_, var t) when FullDisk.IsMeantBy(t) => Refusal.Because(
            StatusCode.FailedPrecondition,
            Reasons.NotEnoughSpace,
            "a disk of the node is full where the runtime dumps or kubelet writes its archive; make room there: "
                + $"{Short(text)}"),
        _ => Refusal.Because(
            StatusCode.FailedPrecondition, Reasons.CheckpointFailed,
            $"the runtime could not dump the container: {Short(text)}"),
    };

    /// <summary>Connected sockets, and no option that says what to do with them: a migration with tcpPolicy Reject, or
    /// a snapshot, which has no policy.</summary>
    internal static RpcException ConnectedSocketsRefused(string found) => Refusal.Because(
        StatusCode.FailedPrecondition,
        Reasons.EstablishedTcpConnections,
        $"the container has connected TCP sockets ({found}): a migration closes them with tcpPolicy: Close, and the "
        + "application reconnects; with Reject it is begun, and a snapshot is taken when there are none");

    // Of a connection that was not trusted the first words only say so.
    private static string Why(HttpRequestException exception)
    {
        var message = exception.Message;
        for (var inner = exception.InnerException; inner is AuthenticationException; inner = inner.InnerException)
        {
            message = inner.Message;
        }

        return message;
    }

    private static string Short(string text) => text.Length <= 600 ? text : text[..600] + "…";

    private static string FileIn(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("items")[0].GetString()
            ?? throw Refusal.Because(StatusCode.Internal, Reasons.CheckpointFailed, "kubelet named no file");
    }

    private async Task<HttpResponseMessage> SendAsync(string path, CancellationToken cancellationToken)
    {
        // .NET sends a request again by itself whose connection ends without an answer, but not one whose content it
        // has sent, be that empty: the first one may have begun the dump.
        using var request =
            new HttpRequestMessage(
                HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new ByteArrayContent([]) };
        // kubelet is called on the loopback, but its certificate bears the node's
        // name: this is the name that is checked.
        request.Headers.Host = _options.ExpectedKubeletName;
        if (_options.KubeletTokenFile is { } file)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue(
                "Bearer", (await File.ReadAllTextAsync(file, cancellationToken)).Trim());
        }

        return await _http.SendAsync(request, cancellationToken);
    }
}
