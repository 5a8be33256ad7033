using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Reflection;
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
    private readonly TokenFile? _token;
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
        KubernetesClientConfiguration configuration, TimeSpan requestTimeout, HttpMessageHandler handler, TimeProvider time)
    {
        (_configuration, _requestTimeout, _time) = (configuration, requestTimeout, time);
        _token = configuration.AccessTokenFile is { } file ? new TokenFile(file, time) : null;
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
            HttpMethod.Get, PathOf<T>(options.Namespace, null, null) + Query(options), null, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        ListOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var path = PathOf<T>(options.Namespace, null, null) + Query(options)
            + "&watch=true&allowWatchBookmarks=true"
            + (options.Timeout is { } timeout ? $"&timeoutSeconds={(int)timeout.TotalSeconds}" : "");
        using var request = Request(HttpMethod.Get, path, null);
        using var response = await _http.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await EnsureAcceptedAsync(response, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var change in WatchFrames.ReadAsync<T>(stream, cancellationToken))
        {
            yield return change;
        }
    }

    /// <inheritdoc/>
    public async Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<T>(HttpMethod.Get, PathOf<T>(namespaceName, name, null), null, cancellationToken);

    /// <inheritdoc/>
    public async Task<T> CreateAsync<T>(T item, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<T>(
            HttpMethod.Post, PathOf<T>(item.Metadata.NamespaceProperty, null, null), Json(item), cancellationToken);

    /// <inheritdoc/>
    public async Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        await SendAsync<T>(
            HttpMethod.Put,
            PathOf<T>(item.Metadata.NamespaceProperty, item.Metadata.Name ?? "", subresource),
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
        var content = new StringContent(patch, Encoding.UTF8);
        content.Headers.ContentType = new MediaTypeHeaderValue(
            type == PatchType.Apply ? "application/apply-patch+yaml" : "application/merge-patch+json");
        var path = PathOf<T>(namespaceName, name, subresource)
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
            HttpMethod.Delete, PathOf<T>(namespaceName, name, null), Json(options), cancellationToken);

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

    private static string PathOf<T>(string? namespaceName, string? name, string? subresource)
    {
        var entity = Entity<T>.Of;
        var path = new StringBuilder(entity.Group.Length == 0 ? "/api/" : $"/apis/{entity.Group}/").Append(entity.ApiVersion);
        if (entity.Namespaced && namespaceName is not null)
        {
            path.Append("/namespaces/").Append(Segment(namespaceName, "namespace"));
        }

        path.Append('/').Append(entity.PluralName);
        if (name is not null)
        {
            path.Append('/').Append(Segment(name, "name"));
        }

        if (subresource is not null)
        {
            path.Append('/').Append(Segment(subresource, "subresource"));
        }

        return path.ToString();
    }

    // Of an empty name all objects of the kind would be meant, and a URL with dots leads elsewhere.
    private static string Segment(string value, string what) => value is "" or "." or ".."
        ? throw new ArgumentException($"\"{value}\" is no {what} of an object")
        : Uri.EscapeDataString(value);

    private static string Query(ListOptions options)
    {
        var query = new StringBuilder("?pretty=false");
        foreach (var (key, value) in new[]
        {
            ("labelSelector", options.LabelSelector), ("fieldSelector", options.FieldSelector),
            ("limit", options.Limit?.ToString((IFormatProvider?)null)), ("continue", options.Continue),
            ("resourceVersion", options.ResourceVersion),
        })
        {
            if (!string.IsNullOrEmpty(value))
            {
                query.Append('&').Append(key).Append('=').Append(Uri.EscapeDataString(value));
            }
        }

        return query.ToString();
    }

    private static StringContent Json<T>(T value) =>
        new(KubernetesJson.Serialize(value), Encoding.UTF8, "application/json");

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
        HttpContent? content,
        CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_requestTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var request = Request(method, path, content);
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
        await EnsureAcceptedAsync(response, either.Token);
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

    private HttpRequestMessage Request(HttpMethod method, string path, HttpContent? content)
    {
        var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative))
        {
            Content = content,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        request.Headers.Accept.ParseAdd("application/json");
        if (Token() is { } token)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }

        return request;
    }

    private string? Token() => _token?.Read() ?? _configuration.AccessToken;

    private static class Entity<T>
    {
        public static KubernetesEntityAttribute Of { get; } = typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()
            ?? throw new InvalidOperationException($"{typeof(T).Name} has no KubernetesEntity attribute");
    }
}
