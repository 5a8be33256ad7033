using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using k8s.Models;

namespace k8s;

/// <summary>A client of the Kubernetes API over HTTP.</summary>
/// <remarks>Stands in for the package KubernetesClient and keeps to its names.</remarks>
public sealed class Kubernetes : IKubernetes, IDisposable
{
    private readonly HttpClient _http;
    private readonly KubernetesClientConfiguration _configuration;
    private readonly ITokenSource? _tokens;
    private readonly TimeSpan _requestTimeout;
    private readonly TimeProvider _time;

    /// <summary>A client for a configuration, whose every request but a watch may take 30 seconds.</summary>
    public Kubernetes(KubernetesClientConfiguration configuration)
        : this(configuration, TimeSpan.FromSeconds(30))
    {
    }

    /// <summary>A client for a configuration.</summary>
    /// <param name="configuration">Where the server is, and who we are there.</param>
    /// <param name="requestTimeout">How long every request but a watch may take.</param>
    public Kubernetes(KubernetesClientConfiguration configuration, TimeSpan requestTimeout)
        : this(configuration, requestTimeout, HandlerFor(configuration), TimeProvider.System)
    {
    }

    internal Kubernetes(
        KubernetesClientConfiguration configuration, TimeSpan requestTimeout, HttpMessageHandler handler,
        TimeProvider time)
    {
        (_configuration, _requestTimeout, _time) = (configuration, requestTimeout, time);
        _tokens = configuration.TokenSource
            ?? (configuration.AccessTokenFile is { } file ? new TokenFile(file, time) : null);
        _http = new HttpClient(handler)
        {
            BaseAddress = configuration.Host,
            Timeout = Timeout.InfiniteTimeSpan,
            DefaultRequestVersion = HttpVersion.Version20,
        };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("pod-checkpointing");
    }

    /// <inheritdoc/>
    public async Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<KubernetesList<T>>(
            HttpMethod.Get, RequestPath.Of<T>(options.Namespace, null, null) + RequestPath.Query(options), null,
            cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        ListOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var path = RequestPath.Of<T>(options.Namespace, null, null) + RequestPath.Query(options)
            + "&watch=true&allowWatchBookmarks=true"
            + (options.Timeout is { } timeout ? $"&timeoutSeconds={(int)timeout.TotalSeconds}" : "");
        using var response = await AskAsync(HttpMethod.Get, path, null, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var change in WatchFrames.ReadAsync<T>(stream, cancellationToken))
        {
            yield return change;
        }
    }

    /// <inheritdoc/>
    public async Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<T>(HttpMethod.Get, RequestPath.Of<T>(namespaceName, name, null), null, cancellationToken);

    /// <inheritdoc/>
    public async Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<T>(
            HttpMethod.Post,
            RequestPath.Of<T>(item.Metadata.NamespaceProperty, null, null) + (dryRun ? "?dryRun=All" : ""),
            Json(item),
            cancellationToken);

    /// <inheritdoc/>
    public async Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<T>(
            HttpMethod.Put,
            RequestPath.Of<T>(item.Metadata.NamespaceProperty, item.Metadata.Name ?? "", subresource),
            Json(item),
            cancellationToken);

    /// <inheritdoc/>
    public async Task<T> PatchAsync<T>(
        string? namespaceName,
        string name,
        string? subresource,
        PatchType type,
        string patch,
        string fieldManager,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var content =
            new Body(patch, type == PatchType.Apply ? "application/apply-patch+yaml" : "application/merge-patch+json");
        var path = RequestPath.Of<T>(namespaceName, name, subresource)
            + $"?fieldManager={Uri.EscapeDataString(fieldManager)}"
            + (type == PatchType.Apply ? "&force=true" : "");
        return await SendAsync<T>(HttpMethod.Patch, path, content, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task DeleteAsync<T>(
        string? namespaceName,
        string name,
        V1DeleteOptions options,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<JsonElement>(
            HttpMethod.Delete, RequestPath.Of<T>(namespaceName, name, null), Json(options), cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static SocketsHttpHandler HandlerFor(KubernetesClientConfiguration configuration) => new()
    {
        PooledConnectionLifetime = TimeSpan.FromMinutes(30),
        AutomaticDecompression = DecompressionMethods.All,
        EnableMultipleHttp2Connections = true,
        // A watch on a dead connection must not look like a quiet cluster.
        KeepAlivePingDelay = TimeSpan.FromSeconds(20),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
        ConnectTimeout = TimeSpan.FromSeconds(10),
        SslOptions = TlsFor(configuration),
    };

    private static SslClientAuthenticationOptions TlsFor(KubernetesClientConfiguration configuration)
    {
        var tls = new SslClientAuthenticationOptions();
        if (configuration.ClientCertificate is { } certificate)
        {
            tls.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
        }

        if (configuration.SslCaCerts is { } authorities)
        {
            tls.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            tls.CertificateChainPolicy.CustomTrustStore.AddRange(authorities);
        }

        return tls;
    }

    private static Body Json<T>(T value) => new(KubernetesJson.Serialize(value), "application/json");

    private static async Task EnsureAcceptedAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        var text = await response.Content.ReadAsStringAsync(cancellationToken);
        V1Status status;
        try
        {
            status = KubernetesJson.Deserialize<V1Status>(text);
        }
        catch (JsonException)
        {
            status = new V1Status { Message = $"the API server answered {(int)response.StatusCode}: {text}" };
        }

        throw new KubernetesException(response.StatusCode, status) { RetryAfter = response.Headers.RetryAfter?.Delta };
    }

    private async Task<T> SendAsync<T>(
        HttpMethod method,
        string path,
        Body? content,
        CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_requestTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var response = await AskAsync(method, path, content, either.Token);
        try
        {
            var stream = await response.Content.ReadAsStreamAsync(either.Token);
            return (await JsonSerializer.DeserializeAsync<T>(stream, KubernetesJson.Options, either.Token))!;
        }
        catch (IOException exception)
        {
            // A line that breaks within the answer is the same trouble as one that breaks before it.
            throw new HttpRequestException(exception.Message, exception);
        }
    }

    /// <summary>The answer to a request, which the server has accepted; a token that it does not take
    /// any more is renewed, once.</summary>
    private async Task<HttpResponseMessage> AskAsync(
        HttpMethod method, string path, Body? content, CancellationToken cancellationToken)
    {
        var token = Token(refused: null);
        var response = await SendOnceAsync(method, path, content, token, cancellationToken);
        try
        {
            if (response.StatusCode == HttpStatusCode.Unauthorized
                && token is not null
                && Token(token) is { } other
                && other != token)
            {
                response.Dispose();
                response = await SendOnceAsync(method, path, content, other, cancellationToken);
            }

            await EnsureAcceptedAsync(response, cancellationToken);
            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(
        HttpMethod method, string path, Body? content, string? token, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative))
        {
            Content = content is null
                ? null
                : new StringContent(content.Text, Encoding.UTF8, new MediaTypeHeaderValue(content.Type)),
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        request.Headers.Accept.ParseAdd("application/json");
        if (token is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    private string? Token(string? refused) => _tokens is not null ? _tokens.Read(refused) : _configuration.AccessToken;

    // A text, not a content: a request takes its content along, and may have to be sent twice.
    private sealed record Body(string Text, string Type);
}
