using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server;

/// <summary>Serves gRPC methods on Kestrel, over HTTP/2.</summary>
/// <remarks>Stands in for the package Grpc.AspNetCore.</remarks>
public static partial class GrpcEndpoints
{
    private const int MaxRequestSize = 4 * 1024 * 1024;

    /// <summary>Serves a unary method.</summary>
    public static void MapGrpcMethod<TRequest, TResponse>(
        this IEndpointRouteBuilder endpoints,
        Method<TRequest, TResponse> method,
        Func<TRequest, ServerCallContext, Task<TResponse>> handler)
        where TRequest : class
        where TResponse : class =>
        endpoints.MapPost(method.FullName, http => ServeAsync(http, method, async (request, context) =>
        {
            var response = await handler(request, context);
            await http.Response.Body.WriteAsync(
                Wire.Frame(method.ResponseMarshaller.Serializer(response)), context.CancellationToken);
        }));

    /// <summary>Serves a method that answers with a stream.</summary>
    public static void MapGrpcMethod<TRequest, TResponse>(
        this IEndpointRouteBuilder endpoints,
        Method<TRequest, TResponse> method,
        Func<TRequest, ServerCallContext, IAsyncEnumerable<TResponse>> handler)
        where TRequest : class
        where TResponse : class =>
        endpoints.MapPost(method.FullName, http => ServeAsync(http, method, async (request, context) =>
        {
            await foreach (var response in handler(request, context).WithCancellation(context.CancellationToken))
            {
                await http.Response.Body.WriteAsync(
                    Wire.Frame(method.ResponseMarshaller.Serializer(response)), context.CancellationToken);
                await http.Response.Body.FlushAsync(context.CancellationToken);
            }
        }));

    /// <summary>Answers gRPC calls of every other path as gRPC does: UNIMPLEMENTED.</summary>
    public static void MapUnimplemented(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapFallback("{**path}", http =>
        {
            if (Wire.IsGrpc(http.Request.ContentType))
            {
                End(http, new Status(StatusCode.Unimplemented, $"{http.Request.Path} is not served"), []);
            }
            else
            {
                http.Response.StatusCode = StatusCodes.Status404NotFound;
            }

            return Task.CompletedTask;
        });

    private static async Task ServeAsync<TRequest, TResponse>(
        HttpContext http,
        Method<TRequest, TResponse> method,
        Func<TRequest, ServerCallContext, Task> handler)
        where TRequest : class
        where TResponse : class
    {
        if (!Wire.IsGrpc(http.Request.ContentType))
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }

        if (!HttpProtocol.IsHttp2(http.Request.Protocol))
        {
            // Without HTTP/2 there is no place for the status.
            http.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            http.Response.Headers.Upgrade = "h2c";
            return;
        }

        TimeSpan? timeout = null;
        if (http.Request.Headers.TryGetValue("grpc-timeout", out var text))
        {
            timeout = Wire.ParseTimeout(text.ToString());
            if (timeout is null)
            {
                End(http, new Status(StatusCode.Internal, "malformed grpc-timeout"), []);
                return;
            }
        }

        using var activity = GrpcTraces.StartServer(http, method.FullName);
        var time = http.RequestServices.GetService<TimeProvider>() ?? TimeProvider.System;
        using var alarm = Wire.Alarm(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(alarm.Token, http.RequestAborted);
        var now = time.GetUtcNow().UtcDateTime;
        var deadline = timeout < DateTime.MaxValue - now ? now + timeout.Value : DateTime.MaxValue;
        var context = new ServerCallContext(http, deadline, either.Token);
        http.Response.ContentType = Wire.ContentType;
        try
        {
            await handler(await ReadRequestAsync(http, method.RequestMarshaller.Deserializer, either.Token), context);
            End(http, new Status(StatusCode.OK, ""), context.ResponseTrailers);
        }
        catch (RpcException exception)
        {
            End(http, exception.Status, [.. context.ResponseTrailers, .. exception.Trailers]);
        }
        catch (Exception) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody reads the answer; whatever failed, failed because the caller has gone.
            End(http, new Status(StatusCode.Cancelled, "the call was given up"), []);
        }
        catch (OperationCanceledException)
        {
            var status = alarm.IsCancellationRequested
                ? new Status(StatusCode.DeadlineExceeded, "the deadline has passed")
                : new Status(StatusCode.Cancelled, "the server gave up");
            End(http, status, context.ResponseTrailers);
        }
        catch (Exception exception)
        {
            // The caller learns that it failed, the log why: an exception's text may hold what is nobody's business.
            Unhandled(Logger(http), exception, method.FullName);
            var status = new Status(StatusCode.Internal, $"{exception.GetType().Name}; see the server's log");
            End(http, status, context.ResponseTrailers);
        }
    }

    private static async Task<TRequest> ReadRequestAsync<TRequest>(
        HttpContext http, Func<byte[], TRequest> deserialize, CancellationToken cancellationToken)
        where TRequest : class
    {
        var body = http.Request.Body;
        var request = await Wire.ReadAsync(body, deserialize, MaxRequestSize, cancellationToken)
            ?? throw new RpcException(new Status(StatusCode.Internal, "the call carries no request"));
        return await body.ReadAsync(new byte[1], cancellationToken) == 0
            ? request
            : throw new RpcException(new Status(StatusCode.Internal, "the call carries more than one request"));
    }

    private static void End(HttpContext http, Status status, Metadata trailers)
    {
        GrpcTraces.EndServer(status);
        var all = trailers.Where(t => !Metadata.IsReserved(t.Key)).Select(t => (t.Key, t.Value)).ToList();
        all.Add(("grpc-status", ((int)status.StatusCode).ToString((IFormatProvider?)null)));
        if (status.Detail.Length > 0)
        {
            all.Add(("grpc-message", Wire.EncodeMessage(status.Detail)));
        }

        if (!http.Response.HasStarted)
        {
            http.Response.ContentType = Wire.ContentType;
            http.Response.Headers["grpc-accept-encoding"] = "identity";
        }

        foreach (var (key, value) in all)
        {
            if (http.Response.HasStarted)
            {
                http.Response.AppendTrailer(key, value);
            }
            else
            {
                http.Response.Headers.Append(key, value);
            }
        }
    }

    private static ILogger Logger(HttpContext http) =>
        http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(GrpcEndpoints).FullName!);

    [LoggerMessage(9000, LogLevel.Error, "Handler of {Method} failed")]
    private static partial void Unhandled(ILogger logger, Exception exception, string method);
}
