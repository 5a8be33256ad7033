using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>A connection to a gRPC server: http://, https:// or unix:///path.</summary>
/// <remarks>
/// Stands in for the package Grpc.Net.Client and keeps to its names. One thing differs: who cancels a call sees his own
/// OperationCanceledException; an RpcException with Cancelled always comes from the server.
/// </remarks>
public sealed class GrpcChannel : IDisposable
{
    private const string UnixScheme = "unix://";
    private readonly HttpClient _http;
    private readonly GrpcChannelOptions _options;

    private GrpcChannel(HttpClient http, GrpcChannelOptions options)
    {
        _http = http;
        _options = options;
    }

    /// <summary>A channel; it connects when it is first used.</summary>
    /// <exception cref="ArgumentException">The address is of another kind.</exception>
    public static GrpcChannel ForAddress(string address, GrpcChannelOptions options)
    {
        var unix = address.StartsWith(UnixScheme + "/", StringComparison.Ordinal);
        var uri = unix ? new Uri("http://localhost") : Uri.TryCreate(address, UriKind.Absolute, out var u) ? u : null;
        if (uri is not { Scheme: "http" or "https" })
        {
            throw new ArgumentException(
                $"\"{address}\" is no http://host:port, https://host:port or unix:///path", nameof(address));
        }

        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = options.ConnectTimeout,
            // A connection is made anew now and then, so that renewed certificates come into use.
            PooledConnectionLifetime = unix ? Timeout.InfiniteTimeSpan : TimeSpan.FromMinutes(10),
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            // The trace goes with the metadata, so that the server's span hangs on the
            // call's and on nothing between them.
            ActivityHeadersPropagator = null,
        };
        if (unix)
        {
            var path = address[UnixScheme.Length..];
            handler.ConnectCallback = (_, cancellationToken) => ConnectAsync(path, cancellationToken);
        }
        else if (options.KeepAlivePingDelay is { } delay)
        {
            handler.KeepAlivePingDelay = delay;
            handler.KeepAlivePingTimeout = TimeSpan.FromSeconds(5);
            handler.KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests;
        }

        if (options.Tls is { } tls)
        {
            handler.SslOptions = tls;
        }

        var http = new HttpClient(handler) { BaseAddress = uri, Timeout = Timeout.InfiniteTimeSpan };
        return new GrpcChannel(http, options);
    }

    /// <summary>Calls a unary method.</summary>
    /// <exception cref="RpcException">The call did not end with OK.</exception>
    public async Task<TResponse> UnaryCallAsync<TRequest, TResponse>(
        Method<TRequest, TResponse> method, TRequest request, CallOptions options)
        where TRequest : class
        where TResponse : class
    {
        TResponse? result = null;
        await foreach (var message in ServerStreamingCall(method, request, options))
        {
            result = result is null
                ? message
                : throw new RpcException(new Status(StatusCode.Internal, "two responses to a unary call"));
        }

        return result ?? throw new RpcException(new Status(StatusCode.Internal, "no response to a unary call"));
    }

    /// <summary>Calls a method that answers with a stream. Who stops reading cancels the call.</summary>
    /// <exception cref="RpcException">The call did not end with OK.</exception>
    public IAsyncEnumerable<TResponse> ServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, TRequest request, CallOptions options)
        where TRequest : class
        where TResponse : class =>
        CallAsync(method, request, options, options.CancellationToken);

    /// <summary>Calls a unary method of generated messages, without a
    /// <see cref="Method{TRequest, TResponse}"/>.</summary>
    /// <param name="method">"/package.Service/Method".</param>
    /// <param name="request">The request.</param>
    /// <param name="parser">Reads the response.</param>
    /// <param name="timeout">The deadline, from now; null for none.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="RpcException">The call did not end with OK.</exception>
    public Task<TResponse> UnaryAsync<TResponse>(
        string method,
        IMessage request,
        MessageParser<TResponse> parser,
        TimeSpan? timeout,
        CancellationToken cancellationToken)
        where TResponse : class, IMessage<TResponse>
    {
        var name = method.LastIndexOf('/');
        return UnaryCallAsync(
            new Method<IMessage, TResponse>(
                MethodType.Unary,
                method[1..name],
                method[(name + 1)..],
                Marshallers.Create<IMessage>(m => m.ToByteArray(), _ => throw new NotSupportedException()),
                Marshallers.For(parser)),
            request,
            Within(timeout, cancellationToken));
    }

    /// <summary>Options for a call that may take some time, counted from now.</summary>
    public CallOptions Within(TimeSpan? timeout, CancellationToken cancellationToken) =>
        new(null, timeout is { } limit ? _options.Time.GetUtcNow().UtcDateTime + limit : null, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async IAsyncEnumerable<TResponse> CallAsync<TRequest, TResponse>(
        Method<TRequest, TResponse> method,
        TRequest request,
        CallOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
        where TRequest : class
        where TResponse : class
    {
        var timeout = options.Deadline - _options.Time.GetUtcNow().UtcDateTime;
        using var activity = GrpcTraces.StartClient(method.FullName);
        using var alarm = Wire.Alarm(timeout, _options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(alarm.Token, cancellationToken);
        using var message = RequestFor(method, request, options.Headers, timeout);
        using var response = await GuardAsync(
            () => _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, either.Token));
        if (CallOutcome.OfHeaders(response) is { } refusal)
        {
            throw Ended(refusal);
        }

        var stream = await response.Content.ReadAsStreamAsync(either.Token);
        var deserialize = method.ResponseMarshaller.Deserializer;
        while (await GuardAsync(() => Wire.ReadAsync(stream, deserialize, _options.MaxReceiveMessageSize, either.Token))
            is { } item)
        {
            yield return item;
        }

        // An OK without any message came with the headers.
        if (!response.Headers.Contains("grpc-status")
            && CallOutcome.OfTrailers(response.TrailingHeaders) is { } failure)
        {
            throw Ended(failure);
        }

        GrpcTraces.End(activity, new Status(StatusCode.OK, ""));

        RpcException Ended(RpcException exception)
        {
            GrpcTraces.End(activity, exception.Status);
            return exception;
        }

        async Task<T> GuardAsync<T>(Func<Task<T>> action)
        {
            try
            {
                return await action();
            }
            catch (Exception exception) when (
                exception is OperationCanceledException or HttpRequestException or IOException)
            {
                cancellationToken.ThrowIfCancellationRequested();
                throw Ended(alarm.IsCancellationRequested
                    ? new RpcException(
                        new Status(StatusCode.DeadlineExceeded, "the deadline has passed"), [], exception)
                    : CallOutcome.OfFailure(exception));
            }
        }
    }

    private static HttpRequestMessage RequestFor<TRequest, TResponse>(
        Method<TRequest, TResponse> method, TRequest request, Metadata? headers, TimeSpan? timeout)
        where TRequest : class
        where TResponse : class
    {
        var content = new ByteArrayContent(Wire.Frame(method.RequestMarshaller.Serializer(request)));
        content.Headers.ContentType = new MediaTypeHeaderValue(Wire.ContentType);
        var message = new HttpRequestMessage(HttpMethod.Post, new Uri(method.FullName, UriKind.Relative))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        message.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        message.Headers.Add("grpc-accept-encoding", "identity");
        if (timeout is { } limit)
        {
            message.Headers.Add("grpc-timeout", Wire.FormatTimeout(limit));
        }

        GrpcTraces.Inject(message);
        foreach (var entry in headers ?? [])
        {
            if (!Metadata.IsReserved(entry.Key))
            {
                message.Headers.TryAddWithoutValidation(entry.Key, entry.Value);
            }
        }

        return message;
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
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
    }
}
