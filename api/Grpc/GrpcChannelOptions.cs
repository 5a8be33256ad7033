using System.Net.Security;

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

    /// <summary>
    /// After how much silence within a call to ask whether the server still lives. The default is 15 seconds; null
    /// never asks. Unix sockets never do: their end is noticed anyhow, and servers in Go, as containerd, hang up
    /// (ENHANCE_YOUR_CALM) on clients that ask more often than every 5 minutes.
    /// </summary>
    public TimeSpan? KeepAlivePingDelay { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>The clock of deadlines.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
