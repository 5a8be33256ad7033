using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Agent.Capabilities;

/// <summary>Looks at the sockets of another process.</summary>
internal sealed partial class ForeignSockets(int pid) : IDisposable
{
    // asm-generic/socket.h, as on every architecture that Kubernetes runs on.
    private const int SocketLevel = 1;
    private const int SocketType = 3;
    private const int SocketProtocol = 38;
    private const int SocketDomain = 39;
    private const int RawType = 3;
    private const int Internet = 2;
    private const int Internet6 = 10;
    private const int Multipath = 262;

    /// <summary>unix, netlink and packet.</summary>
    private static readonly int[] OtherDomains = [1, 16, 17];

    /// <summary>IP, TCP, UDP, UDP-Lite, ICMP and ICMPv6.</summary>
    private static readonly int[] Protocols = [0, 6, 17, 136, 1, 58];

    private readonly Lazy<Pidfd?> _process = new(() => Pidfd.Open(pid));

    /// <summary>What there is to say of one of its sockets; null also where it cannot be looked at.</summary>
    public (string Kind, string Message)? Obstacle(int descriptor)
    {
        using var socket = _process.Value?.Copy(descriptor);
        return socket is { IsInvalid: false }
            && Option(socket, SocketDomain) is { } domain
            && Option(socket, SocketType) is { } type
            && Option(socket, SocketProtocol) is { } protocol
                ? Of(domain, type, protocol)
                : null;
    }

    public void Dispose()
    {
        if (_process.IsValueCreated)
        {
            _process.Value?.Dispose();
        }
    }

    internal static (string Kind, string Message)? Of(int domain, int type, int protocol) => domain switch
    {
        Internet or Internet6 when protocol == Multipath => (
            "MPTCP",
            "has a Multipath TCP socket, which CRIU cannot dump; switch it off in the program "
                + "(GODEBUG=multipathtcp=0 for Go, whose servers listen with it)"),
        Internet or Internet6 when type == RawType || Protocols.Contains(protocol) => null,
        Internet or Internet6 => (
            $"protocol {protocol}",
            $"has a socket of IP protocol {protocol}, which CRIU cannot dump; have the program close it"),
        _ when OtherDomains.Contains(domain) => null,
        _ => (
            $"family {domain}",
            $"has a socket of address family {domain}, which CRIU cannot dump; have the program close it"),
    };

    private static int? Option(SafeFileHandle socket, int option)
    {
        var size = sizeof(int);
        return GetOption(socket, SocketLevel, option, out var value, ref size) == 0 ? value : null;
    }

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int GetOption(SafeFileHandle socket, int level, int option, out int value, ref int size);
}
