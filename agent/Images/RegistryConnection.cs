using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.RegularExpressions;
using Polly;
using Polly.Retry;

namespace PodCheckpointing.Agent.Images;

/// <summary>Requests to one repository of one registry: signed in when asked to, and
/// repeated while that can help.</summary>
internal sealed partial class RegistryConnection : IDisposable
{
    private const int LargestError = 1 << 20;
    private readonly ImageReference _image;
    private readonly HttpClient _http;
    private readonly RegistryCredentials? _credentials;
    private readonly ResiliencePipeline _retries;
    private readonly TimeSpan _timeout;
    private AuthenticationHeaderValue? _authorization;

    /// <exception cref="RegistryException">The credentials' file cannot be read.</exception>
    public RegistryConnection(ImageReference image, ImageOptions options, TimeProvider time)
    {
        _image = image;
        _credentials = RegistryCredentials.For(image.Host, options.AuthFile);
        var plain = image.IsLocal || options.InsecureRegistries.Contains(image.Host, StringComparer.OrdinalIgnoreCase);
        var host = image.Host == "docker.io" ? "registry-1.docker.io" : image.Host;
        Base = new Uri($"{(plain ? "http" : "https")}://{host}/v2/{image.Repository}/");
        _timeout = options.RequestTimeout;
        _http = new HttpClient(new SocketsHttpHandler
        {
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            // Only what is read may lie elsewhere; see OnceAsync.
            AllowAutoRedirect = false,
            SslOptions = Trust(options.RegistryCa),
        })
        { Timeout = Timeout.InfiniteTimeSpan };
        _retries = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = Math.Max(options.Retries, 1),
                Delay = options.RetryDelay,
                BackoffType = DelayBackoffType.Exponential,
                MaxDelay = TimeSpan.FromSeconds(30),
                UseJitter = true,
                ShouldHandle =
                    new PredicateBuilder().Handle<RegistryException>(e => e.Failure == RegistryFailure.Unavailable),
            })
            .Build();
    }

    /// <summary>The repository's address, with a slash at its end.</summary>
    public Uri Base { get; }

    /// <summary>Does something again, with growing waits, while the registry is away.</summary>
    /// <exception cref="RegistryException">It stayed away, or answered otherwise.</exception>
    public async Task<T> RetryAsync<T>(Func<CancellationToken, Task<T>> action, CancellationToken cancellationToken) =>
        await _retries.ExecuteAsync(async token => await action(token), cancellationToken);

    /// <summary>Sends a request, signed in if need be. Made anew for a second try, as
    /// content can be sent only once.</summary>
    /// <exception cref="RegistryException">No answer, or one that is an error; 404 is an answer.</exception>
    public async Task<HttpResponseMessage> SendAsync(
        Func<HttpRequestMessage> request, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(_timeout);
        try
        {
            var response = await OnceAsync(request(), deadline.Token);
            if (response.StatusCode == HttpStatusCode.Unauthorized)
            {
                using (response)
                {
                    _authorization = await SignInAsync(response, deadline.Token);
                }

                response = await OnceAsync(request(), deadline.Token);
            }

            return response.IsSuccessStatusCode || response.StatusCode == HttpStatusCode.NotFound
                ? response
                : throw await FailureAsync(response, deadline.Token);
        }
        catch (Exception exception)
            when (exception is HttpRequestException or IOException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new RegistryException(
                RegistryFailure.Unavailable, $"registry {_image.Host} cannot be reached: {exception.Message}",
                exception);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<HttpResponseMessage> OnceAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using (request)
        {
            var response = await ToAsync(request, cancellationToken);
            // A registry may keep its blobs in another service.
            for (var hops = 0; hops < 3 && Elsewhere(request, response) is { } place; hops++)
            {
                response.Dispose();
                using var next = new HttpRequestMessage(request.Method, place);
                response = await ToAsync(next, cancellationToken);
            }

            return response;
        }
    }

    private Uri? Elsewhere(HttpRequestMessage request, HttpResponseMessage response) =>
        (int)response.StatusCode is 301 or 302 or 303 or 307 or 308
        && (request.Method == HttpMethod.Get || request.Method == HttpMethod.Head)
        && response.Headers.Location is { } location
        && new Uri(response.RequestMessage!.RequestUri!, location) is var place
        && (place.Scheme == Uri.UriSchemeHttps || Base.Scheme == Uri.UriSchemeHttp)
            ? place
            : null;

    private Task<HttpResponseMessage> ToAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        // Whoever is elsewhere must not see our password; uploads, too, may have an address of their own.
        if (request.RequestUri!.GetLeftPart(UriPartial.Authority) == Base.GetLeftPart(UriPartial.Authority))
        {
            request.Headers.Authorization = _authorization;
        }

        return _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    private async Task<AuthenticationHeaderValue> SignInAsync(
        HttpResponseMessage challenge, CancellationToken cancellationToken)
    {
        foreach (var way in challenge.Headers.WwwAuthenticate)
        {
            if (way.Scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
            {
                return await TokenAsync(way.Parameter ?? "", cancellationToken);
            }

            if (way.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase) && _credentials is not null)
            {
                return _credentials.Basic;
            }
        }

        throw new RegistryException(
            RegistryFailure.Denied,
            $"registry {_image.Host} asks who we are, and the credentials' file does not name it");
    }

    private async Task<AuthenticationHeaderValue> TokenAsync(string challenge, CancellationToken cancellationToken)
    {
        var parts = Parameter().Matches(challenge)
            .ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value, StringComparer.OrdinalIgnoreCase);
        if (!Uri.TryCreate(parts.GetValueOrDefault("realm"), UriKind.Absolute, out var realm)
            || (realm.Scheme != Uri.UriSchemeHttps && Base.Scheme != Uri.UriSchemeHttp))
        {
            throw new RegistryException(
                RegistryFailure.Refused, $"the token realm of registry {_image.Host} is not an HTTPS URL");
        }

        var query = $"scope={Uri.EscapeDataString($"repository:{_image.Repository}:pull,push")}"
            + (parts.TryGetValue("service", out var service) ? $"&service={Uri.EscapeDataString(service)}" : "");
        using var request = new HttpRequestMessage(
            HttpMethod.Get,
            new UriBuilder(realm) { Query = realm.Query.Length > 1 ? realm.Query[1..] + "&" + query : query }.Uri);
        request.Headers.Authorization = _credentials?.Basic;
        using var response = await _http.SendAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw await FailureAsync(response, cancellationToken);
        }

        try
        {
            using var answer = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
            var token = answer.RootElement.TryGetProperty("token", out var t)
                || answer.RootElement.TryGetProperty("access_token", out t)
                ? t.GetString()
                : null;
            return new AuthenticationHeaderValue("Bearer", token ?? throw new JsonException("no token"));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new RegistryException(RegistryFailure.Refused, $"{realm.Host} answers with no token", exception);
        }
    }

    private async Task<RegistryException> FailureAsync(
        HttpResponseMessage response, CancellationToken cancellationToken)
    {
        using (response)
        {
            await response.Content.LoadIntoBufferAsync(LargestError, cancellationToken);
            var said = await response.Content.ReadAsStringAsync(cancellationToken);
            var status = (int)response.StatusCode;
            var message = $"registry {_image.Host} answers {status} to {response.RequestMessage?.Method} "
                + $"{response.RequestMessage?.RequestUri?.AbsolutePath}: "
                + $"{(said.Length > 300 ? said[..300] : said).Trim()}";
            return new RegistryException(
                status switch
                {
                    401 or 403 => RegistryFailure.Denied,
                    408 or 429 or >= 500 => RegistryFailure.Unavailable,
                    _ when said.Contains("DIGEST_INVALID", StringComparison.Ordinal) => RegistryFailure.WrongDigest,
                    _ => RegistryFailure.Refused,
                },
                message);
        }
    }

    private static SslClientAuthenticationOptions Trust(string authority)
    {
        if (authority.Length == 0)
        {
            return new SslClientAuthenticationOptions();
        }

        var policy =
            new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
        policy.CustomTrustStore.ImportFromPemFile(authority);
        using var system = new X509Store(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
        policy.CustomTrustStore.AddRange(system.Certificates);
        return new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
    }

    [GeneratedRegex(@"(\w+)=""([^""]*)""")]
    private static partial Regex Parameter();
}
