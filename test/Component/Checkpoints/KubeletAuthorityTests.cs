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
using PodCheckpointing.Component.Grpc;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>kubelet's authority changes while an agent runs: a cluster's certificates are rotated.</summary>
internal sealed class KubeletAuthorityTests
{
    [Test]
    public async Task An_agent_takes_the_authority_that_stands_in_the_file_now_and_says_what_is_wrong_with_it()
    {
        using var authority = new TestAuthority();
        using var another = new TestAuthority();
        await using var kubelet = await KubeletAsync(authority);
        var file = Path.GetTempFileName();
        try
        {
            File.Copy(another.CaFile, file, overwrite: true);
            using var client = new KubeletClient(
                Options.Create(new AgentOptions
                {
                    NodeName = "node",
                    KubeletCa = file,
                    KubeletUrl = kubelet.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single(),
                }),
                TimeProvider.System);

            var (works, why) = await client.ProbeAsync(CancellationToken.None);
            works.Should().BeFalse();
            why.Should().Contain(file, "that is the file to look at").And.MatchRegex("valid until 20[0-9]{2}-[0-9]{2}-[0-9]{2}");

            File.Copy(authority.CaFile, file, overwrite: true);
            (await client.ProbeAsync(CancellationToken.None)).Should().Be((true, ""));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Test]
    public async Task A_certificate_of_another_name_is_refused()
    {
        using var authority = new TestAuthority();
        await using var kubelet = await KubeletAsync(authority);
        using var client = new KubeletClient(
            Options.Create(new AgentOptions
            {
                NodeName = "another",
                KubeletCa = authority.CaFile,
                KubeletUrl = kubelet.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single(),
            }),
            TimeProvider.System);

        (await client.ProbeAsync(CancellationToken.None)).Works.Should().BeFalse();
    }

    private static async Task<WebApplication> KubeletAsync(TestAuthority authority)
    {
        var (certificate, key) = authority.Issue("kubelet", "node");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            System.Net.IPAddress.Loopback, 0, listen => listen.UseHttps(https => https.ServerCertificate = X509Certificate2.CreateFromPemFile(certificate, key))));
        var app = builder.Build();
        app.MapPost("/{**path}", async (HttpContext http) =>
        {
            http.Response.StatusCode = StatusCodes.Status404NotFound;
            await http.Response.WriteAsync("pod does not exist");
        });
        await app.StartAsync();
        return app;
    }
}
