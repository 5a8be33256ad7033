using Microsoft.AspNetCore.Server.Kestrel.Core;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;

namespace PodCheckpointing.Component.Grpc;

/// <summary>gRPC's own C core, which calls our server over a transport: "tcp" or "unix" in clear, or mutual
/// "tls".</summary>
internal abstract class ForeignClient(string transport)
{
    private readonly TestAuthority _authority = new();
    private string _address = "";
    private string _folder = "";

    protected Echo Echo { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        await PythonPeer.InstallAsync();
        var (certificate, key) = _authority.Issue("agent", AgentTls.AgentName);
        _authority.Issue("operator", AgentTls.OperatorName);
        _authority.Issue("stranger", "stranger");
        var socket = Path.Combine(_authority.Folder, "echo.sock");
        Echo = await Echo.StartAsync(kestrel =>
        {
            switch (transport)
            {
                case "unix":
                    kestrel.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2);
                    break;
                case "tls":
                    kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen =>
                        listen.UseAgentTls(_authority.CaFile, certificate, key));
                    break;
                default:
                    kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
                    break;
            }
        });
        _address = transport == "unix" ? "unix:" + socket : Echo.Addresses[0];
        _folder = transport == "tls" ? _authority.Folder : "";
    }

    [OneTimeTearDown]
    public async Task StopAsync()
    {
        await Echo.DisposeAsync();
        _authority.Dispose();
    }

    protected Task<PythonResult> CallAsync(params string[] call) => PythonPeer.CallAsync(_address, _folder, call);
}
