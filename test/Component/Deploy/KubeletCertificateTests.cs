using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FluentAssertions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Kubelet;

namespace PodCheckpointing.Component.Deploy;

/// <summary>kubelet's own certificate bears the node's name and no address, but the agent
/// calls it on the loopback.</summary>
[TestFixture]
public sealed class KubeletCertificateTests
{
    [TestCase("node-a", null, true)]
    [TestCase("node-a", "node-b", false)]
    [TestCase("node-b", null, false)]
    [TestCase("node-b", "node-a", true)]
    [TestCase("node-a", "{node}", true)]
    [TestCase("node", "{node}-a", true)]
    [TestCase("node-a", "{node}.example", false)]
    public async Task The_name_that_is_checked_is_the_nodes(string node, string? name, bool works)
    {
        var file = Path.GetTempFileName();
        try
        {
            using var certificate = Certificate("node-a");
            await File.WriteAllTextAsync(file, certificate.ExportCertificatePem());
            await using var kubelet = await ServeAsync(certificate);
            using var client = new KubeletClient(
                Options.Create(new AgentOptions
                {
                    NodeName = node, KubeletName = name, KubeletCa = file,
                    KubeletUrl = kubelet.Services.GetRequiredService<IServer>().Features
                        .Get<IServerAddressesFeature>()!.Addresses.Single(),
                }),
                TimeProvider.System);

            var (answers, message) = await client.ProbeAsync(TestContext.CurrentContext.CancellationToken);

            answers.Should().Be(works, "it said: {0}", message);
            if (!works)
            {
                message
                    .Should().Contain(
                        $"bears the names node-a, and not {(name ?? node).Replace("{node}", node)}:").And.Contain(
                    "Agent:KubeletName").And.Contain("{node}");
            }
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static async Task<WebApplication> ServeAsync(X509Certificate2 certificate)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(
            kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        var app = builder.Build();
        app.MapPost("/checkpoint/{**rest}", (HttpContext context) =>
        {
            context.Response.StatusCode = 404;
            return context.Response.WriteAsync("pod does not exist");
        });
        await app.StartAsync();
        return app;
    }

    private static X509Certificate2 Certificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
