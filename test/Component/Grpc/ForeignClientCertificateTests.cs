using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.Agent;

namespace PodCheckpointing.Component.Grpc;

/// <summary>Whom our server lets in over mutual TLS, when gRPC's own C core calls it.</summary>
internal sealed class ForeignClientCertificateTests() : ForeignClient("tls")
{
    [TestCase("operator", "OK")]
    [TestCase("stranger", "UNAVAILABLE")]
    [TestCase("agent", "UNAVAILABLE")]
    [TestCase("nobody", "UNAVAILABLE")]
    public async Task Is_known_by_its_certificate(string side, string code)
    {
        var result = await CallAsync("unary", "Peer", "", "20", "", side);

        result.Code.Should().Be(code);
        result.Values.Should().Equal(code == "OK" ? [AgentTls.OperatorName] : []);
    }
}
