using System.Security.Cryptography.X509Certificates;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server;

/// <summary>One call, as its handler sees it.</summary>
public sealed class ServerCallContext
{
    internal ServerCallContext(HttpContext http, CancellationToken cancellationToken)
    {
        PeerCertificate = http.Connection.ClientCertificate;
        CancellationToken = cancellationToken;
    }

    /// <summary>The caller's certificate, when he showed one.</summary>
    public X509Certificate2? PeerCertificate { get; }

    /// <summary>Is cancelled when the caller hangs up or the deadline passes.</summary>
    public CancellationToken CancellationToken { get; }
}

/// <summary>Serves gRPC methods on Kestrel.</summary>
/// <remarks>Stands in for the package Grpc.AspNetCore.</remarks>
public static partial class GrpcEndpoints
{
    private const int MaxRequestSize = 4 * 1024 * 1024;

    /// <summary>Serves a unary method.</summary>
    public static void MapUnary<TRequest, TResponse>(
        this IEndpointRouteBuilder endpoints,
        string method,
        MessageParser<TRequest> parser,
        Func<TRequest, ServerCallContext, Task<TResponse>> handler)
        where TRequest : class, IMessage<TRequest>
        where TResponse : IMessage =>
        endpoints.MapPost(method, http => ServeAsync(http, parser, async (request, context) =>
        {
            var response = await handler(request, context);
            await http.Response.Body.WriteAsync(Wire.Frame(response), context.CancellationToken);
        }));

    /// <summary>Serves a method that answers with a stream.</summary>
    public static void MapServerStreaming<TRequest, TResponse>(
        this IEndpointRouteBuilder endpoints,
        string method,
        MessageParser<TRequest> parser,
        Func<TRequest, ServerCallContext, IAsyncEnumerable<TResponse>> handler)
        where TRequest : class, IMessage<TRequest>
        where TResponse : IMessage =>
        endpoints.MapPost(method, http => ServeAsync(http, parser, async (request, context) =>
        {
            await foreach (var response in handler(request, context).WithCancellation(context.CancellationToken))
            {
                await http.Response.Body.WriteAsync(Wire.Frame(response), context.CancellationToken);
                await http.Response.Body.FlushAsync(context.CancellationToken);
            }
        }));

    /// <summary>Answers every other path as gRPC does: UNIMPLEMENTED.</summary>
    public static void MapUnimplemented(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapFallback(http =>
        {
            End(http, new Status(StatusCode.Unimplemented, $"{http.Request.Path} is not served"), []);
            return Task.CompletedTask;
        });

    private static async Task ServeAsync<TRequest>(
        HttpContext http,
        MessageParser<TRequest> parser,
        Func<TRequest, ServerCallContext, Task> handler)
        where TRequest : class, IMessage<TRequest>
    {
        if (http.Request.ContentType?.StartsWith(Wire.ContentType, StringComparison.Ordinal) != true)
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        var timeout = Wire.ParseTimeout(http.Request.Headers["grpc-timeout"]);
        if (timeout is { } limit)
        {
            deadline.CancelAfter(limit);
        }

        http.Response.ContentType = Wire.ContentType;
        try
        {
            var request = await Wire.ReadAsync(http.Request.Body, parser, MaxRequestSize, deadline.Token)
                ?? throw new RpcException(new Status(StatusCode.Internal, "the call carries no request"));
            await handler(request, new ServerCallContext(http, deadline.Token));
            End(http, new Status(StatusCode.OK, ""), []);
        }
        catch (RpcException exception)
        {
            End(http, exception.Status, exception.Trailers);
        }
        catch (OperationCanceledException)
        {
            var code = http.RequestAborted.IsCancellationRequested ? StatusCode.Cancelled : StatusCode.DeadlineExceeded;
            End(http, new Status(code, "the call was given up"), []);
        }
        catch (Exception exception)
        {
            // The caller learns that it failed, the log why: an exception's text may hold what is nobody's business.
            Unhandled(http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Grpc"), exception, http.Request.Path);
            End(http, new Status(StatusCode.Internal, $"{exception.GetType().Name}; see the server's log"), []);
        }
    }

    private static void End(HttpContext http, Status status, Metadata trailers)
    {
        var more = trailers.Select(t => (t.Key, t.Value)).ToList();
        more.Add(("grpc-status", ((int)status.StatusCode).ToString((IFormatProvider?)null)));
        if (status.Detail.Length > 0)
        {
            more.Add(("grpc-message", Wire.EncodeMessage(status.Detail)));
        }

        foreach (var (key, value) in more)
        {
            if (http.Response.HasStarted)
            {
                http.Response.AppendTrailer(key, value);
            }
            else
            {
                http.Response.ContentType = Wire.ContentType;
                http.Response.Headers[key] = value;
            }
        }
    }

    [LoggerMessage(9000, LogLevel.Error, "Handler of {Method} failed")]
    private static partial void Unhandled(ILogger logger, Exception exception, string method);
}
