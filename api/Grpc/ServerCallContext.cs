using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;

namespace Grpc.Core;

/// <summary>One call, as its handler sees it.</summary>
public sealed class ServerCallContext
{
    internal ServerCallContext(HttpContext http, DateTime deadline, CancellationToken cancellationToken)
    {
        Method = http.Request.Path.Value ?? "";
        Peer = http.Connection.RemoteIpAddress is { } ip ? $"{ip}:{http.Connection.RemotePort}" : "unix";
        PeerCertificate = http.Connection.ClientCertificate;
        Deadline = deadline;
        CancellationToken = cancellationToken;
        RequestHeaders = [.. http.Request.Headers.Where(h => !Metadata.IsReserved(h.Key))
            .Select(h => new Metadata.Entry((h.Key, h.Value.ToString())))];
    }

    /// <summary>"/package.Service/Method".</summary>
    public string Method { get; }

    /// <summary>Where the caller is.</summary>
    public string Peer { get; }

    /// <summary>The caller's certificate, when he showed one.</summary>
    public X509Certificate2? PeerCertificate { get; }

    /// <summary>When the caller stops waiting, UTC; <see cref="DateTime.MaxValue"/> when he does not.</summary>
    public DateTime Deadline { get; }

    /// <summary>Is cancelled when the caller hangs up or the deadline passes.</summary>
    public CancellationToken CancellationToken { get; }

    /// <summary>What the caller sent with the request.</summary>
    public Metadata RequestHeaders { get; }

    /// <summary>What the caller gets behind the response, whether the call ends well or not.</summary>
    public Metadata ResponseTrailers { get; } = [];
}
