using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>How to reach a server.</summary>
public sealed record GrpcChannelOptions
{
    /// <summary>TLS for https addresses: our certificate and the check of the server's.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>The largest message to accept. The default is 4 MiB.</summary>
    public int MaxReceiveMessageSize { get; init; } = 4 * 1024 * 1024;

    /// <summary>How long to try to connect. The default is 5 seconds.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>A connection to a gRPC server: http://, https:// or unix:///path.</summary>
/// <remarks>Stands in for the package Grpc.Net.Client and keeps to its names.</remarks>
public sealed class GrpcChannel : IDisposable
{
    private readonly HttpClient _http;
    private readonly int _maxSize;

    private GrpcChannel(HttpClient http, int maxSize)
    {
        _http = http;
        _maxSize = maxSize;
    }

    /// <summary>A channel; it connects when it is first used.</summary>
    public static GrpcChannel ForAddress(string address, GrpcChannelOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = options.ConnectTimeout,
            KeepAlivePingDelay = TimeSpan.FromSeconds(15),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(5),
            UseProxy = false,
        };
        if (options.Tls is { } tls)
        {
            handler.SslOptions = tls;
        }

        if (address.StartsWith("unix://", StringComparison.Ordinal))
        {
            var path = address["unix://".Length..];
            address = "http://localhost";
            handler.ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            };
        }

        else if (options.Tls?.TargetHost is { Length: > 0 } name)
        {
            // The server is asked for by its name and reached at its address: HttpClient compares the certificate with
            // the host of the URL, whatever TargetHost says.
            var server = new Uri(address);
            address = new UriBuilder(server) { Host = name }.ToString();
            handler.ConnectCallback = async (_, cancellationToken) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(server.Host, server.Port, cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            };
        }

        var http = new HttpClient(handler) { BaseAddress = new Uri(address), Timeout = Timeout.InfiniteTimeSpan };
        return new GrpcChannel(http, options.MaxReceiveMessageSize);
    }

    /// <summary>Calls a unary method.</summary>
    /// <param name="method">"/package.Service/Method".</param>
    /// <param name="request">The request.</param>
    /// <param name="parser">Reads the response.</param>
    /// <param name="timeout">The deadline; null for none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="RpcException">The call did not end with OK.</exception>
    public async Task<TResponse> UnaryAsync<TResponse>(
        string method,
        IMessage request,
        MessageParser<TResponse> parser,
        TimeSpan? timeout,
        CancellationToken cancellationToken)
        where TResponse : class, IMessage<TResponse>
    {
        TResponse? result = null;
        await foreach (var message in StreamAsync(method, request, parser, timeout, cancellationToken))
        {
            result = result is null
                ? message
                : throw new RpcException(new Status(StatusCode.Internal, "two responses to a unary call"));
        }

        return result ?? throw new RpcException(new Status(StatusCode.Internal, "no response to a unary call"));
    }

    /// <summary>Calls a method that answers with a stream.</summary>
    /// <inheritdoc cref="UnaryAsync"/>
    public async IAsyncEnumerable<TResponse> StreamAsync<TResponse>(
        string method,
        IMessage request,
        MessageParser<TResponse> parser,
        TimeSpan? timeout,
        [EnumeratorCancellation] CancellationToken cancellationToken)
        where TResponse : class, IMessage<TResponse>
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (timeout is { } limit)
        {
            deadline.CancelAfter(limit);
        }

        using var message = RequestFor(method, request, timeout);
        using var response = await GuardAsync(
            () => _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, deadline.Token), cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new RpcException(new Status(CodeFor(response.StatusCode), $"HTTP status {(int)response.StatusCode}"));
        }

        var stream = await response.Content.ReadAsStreamAsync(deadline.Token);
        while (await GuardAsync(() => Wire.ReadAsync(stream, parser, _maxSize, deadline.Token), cancellationToken) is { } item)
        {
            yield return item;
        }

        // Without a body, servers put the trailers into the headers.
        var trailers = Read(response.TrailingHeaders);
        var end = trailers.GetValue("grpc-status") is null ? Read(response.Headers) : trailers;
        if (!int.TryParse(end.GetValue("grpc-status"), out var code))
        {
            throw new RpcException(new Status(StatusCode.Internal, "the response carries no grpc-status"));
        }

        if (code != 0)
        {
            var detail = Wire.DecodeMessage(end.GetValue("grpc-message") ?? "");
            throw new RpcException(new Status((StatusCode)code, detail), end);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static HttpRequestMessage RequestFor(string method, IMessage request, TimeSpan? timeout)
    {
        var content = new ByteArrayContent(Wire.Frame(request));
        content.Headers.ContentType = new MediaTypeHeaderValue(Wire.ContentType);
        var message = new HttpRequestMessage(HttpMethod.Post, new Uri(method, UriKind.Relative))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        message.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        if (timeout is { } limit)
        {
            message.Headers.Add("grpc-timeout", Wire.FormatTimeout(limit));
        }

        return message;
    }

    private static async Task<T> GuardAsync<T>(Func<Task<T>> action, CancellationToken callersToken)
    {
        try
        {
            return await action();
        }
        catch (OperationCanceledException) when (callersToken.IsCancellationRequested)
        {
            throw;
        }
        catch (OperationCanceledException exception)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, "the deadline has passed"), [], exception);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, Innermost(exception).Message), [], exception);
        }
    }

    private static Exception Innermost(Exception exception) =>
        exception.InnerException is { } inner ? Innermost(inner) : exception;

    private static StatusCode CodeFor(HttpStatusCode code) => (int)code switch
    {
        400 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    private static Metadata Read(HttpHeaders headers)
    {
        var result = new Metadata();
        foreach (var (name, values) in headers)
        {
            result.Add(name, string.Join(",", values));
        }

        return result;
    }
}
