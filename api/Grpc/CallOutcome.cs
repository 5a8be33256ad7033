using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;

namespace Grpc.Net.Client;

/// <summary>What HTTP says of a call, in the words of gRPC.</summary>
internal static class CallOutcome
{
    /// <summary>The status in front of the messages: null while the call goes well.</summary>
    public static RpcException? OfHeaders(HttpResponseMessage response)
    {
        if (response.Headers.Contains("grpc-status"))
        {
            // Without messages, servers put the trailers into the headers.
            return OfTrailers(response.Headers);
        }

        if (response.StatusCode != HttpStatusCode.OK)
        {
            return Error(CodeFor(response.StatusCode), $"HTTP status {(int)response.StatusCode}");
        }

        var contentType = response.Content.Headers.ContentType?.ToString();
        return Wire.IsGrpc(contentType)
            ? null
            : Error(StatusCode.Unknown, $"the response is not gRPC but \"{contentType}\"");
    }

    /// <summary>The status behind the messages: null when the call went well.</summary>
    public static RpcException? OfTrailers(HttpHeaders trailers)
    {
        if (!trailers.TryGetValues("grpc-status", out var values))
        {
            return Error(StatusCode.Internal, "the response carries no grpc-status");
        }

        var text = string.Join(",", values);
        if (text == "0")
        {
            return null;
        }

        var code = int.TryParse(text, out var number) && Enum.IsDefined((StatusCode)number)
            ? (StatusCode)number
            : StatusCode.Unknown;
        var message = trailers.TryGetValues("grpc-message", out var parts) ? string.Join(",", parts) : "";
        return new RpcException(new Status(code, Wire.DecodeMessage(message)), Read(trailers));
    }

    /// <summary>What a failure of the transport means.</summary>
    public static RpcException OfFailure(Exception exception)
    {
        var innermost = exception;
        for (var inner = exception; inner is not null; inner = inner.InnerException)
        {
            innermost = inner;
            if (inner is HttpProtocolException { ErrorCode: var code })
            {
                return new RpcException(new Status(CodeFor(code), inner.Message), [], exception);
            }
        }

        return new RpcException(new Status(StatusCode.Unavailable, innermost.Message), [], exception);
    }

    // The table of PROTOCOL-HTTP2.md, but for NO_ERROR: a server that says so is going away, and another try is right.
    internal static StatusCode CodeFor(long http2Error) => http2Error switch
    {
        0x0 or 0x7 => StatusCode.Unavailable,
        0x5 => StatusCode.Unknown,
        0x8 => StatusCode.Cancelled,
        0xb => StatusCode.ResourceExhausted,
        0xc => StatusCode.PermissionDenied,
        _ => StatusCode.Internal,
    };

    internal static StatusCode CodeFor(HttpStatusCode code) => (int)code switch
    {
        400 => StatusCode.Internal,
        401 => StatusCode.Unauthenticated,
        403 => StatusCode.PermissionDenied,
        404 => StatusCode.Unimplemented,
        429 or 502 or 503 or 504 => StatusCode.Unavailable,
        _ => StatusCode.Unknown,
    };

    private static RpcException Error(StatusCode code, string message) => new(new Status(code, message));

    private static Metadata Read(HttpHeaders headers) =>
        [.. headers.Where(h => !Metadata.IsReserved(h.Key))
            .Select(h => new Metadata.Entry((h.Key, string.Join(",", h.Value))))];
}
