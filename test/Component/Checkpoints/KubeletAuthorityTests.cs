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
                    KubeletUrl = kubelet.Services.GetRequiredService<IServer>().Features
                        .Get<IServerAddressesFeature>()!.Addresses.Single(),
                }),
                TimeProvider.System);

            var (works, why) = await client.ProbeAsync(CancellationToken.None);
            works.Should().BeFalse();
            why.Should().Contain(file, "that is the file to look at").And.MatchRegex(
                "valid until 20[0-9]{2}-[0-9]{2}-[0-9]{2}");

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
                KubeletUrl =
                    kubelet.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
                        .Single(),
            }),
            TimeProvider.System);

        (await client.ProbeAsync(CancellationToken.None)).Works.Should().BeFalse();
    }

    [Test]
    public async Task Any_of_several_files_may_hold_the_authority_and_one_of_them_may_be_missing()
    {
        using var authority = new TestAuthority();
        using var another = new TestAuthority();
        await using var kubelet = await KubeletAsync(authority);
        var missing = Path.Combine(another.Folder, "kubelet.crt");

        (await ProbeAsync(kubelet, $"{missing}:{authority.CaFile}", TimeProvider.System)).Should().Be((true, ""));
        (await ProbeAsync(kubelet, $"{another.CaFile}:{authority.CaFile}", TimeProvider.System))
            .Should().Be((true, ""));
        (await ProbeAsync(kubelet, $"{missing}:{another.CaFile}", TimeProvider.System)).Message
            .Should().Contain(missing).And.Contain(another.CaFile).And.Contain("Agent:KubeletCa");
        (await ProbeAsync(kubelet, missing, TimeProvider.System)).Message
            .Should().Contain("cannot be read").And.Contain(missing);
    }

    [TestCase("node", "kubelet.crt and kubelet.key", "serverTLSBootstrap: true")]
    [TestCase("system:node:node", "kubectl get csr")]
    public async Task Of_one_that_has_expired_it_says_since_when_and_how_to_get_another(
        string subject, params string[] said)
    {
        using var authority = new TestAuthority();
        await using var kubelet = await KubeletAsync(authority, subject);
        var late = new AnotherDay(TimeSpan.FromHours(13));

        var (works, why) = await ProbeAsync(kubelet, authority.CaFile, late);

        works.Should().BeFalse();
        why
            .Should().Contain("has expired").And.MatchRegex(
                "valid until 20[0-9]{2}-[0-9]{2}-[0-9]{2}").And.ContainAll(said)
            .And.NotContain("Agent:KubeletCa", "another authority would not help");
        (await ProbeAsync(kubelet, authority.CaFile, new AnotherDay(TimeSpan.FromHours(-2)))).Message
            .Should().Contain("clock");
    }

    private static async Task<(bool Works, string Message)> ProbeAsync(
        WebApplication kubelet, string files, TimeProvider time)
    {
        using var client = new KubeletClient(
            Options.Create(new AgentOptions
            {
                NodeName = "node",
                KubeletCa = files,
                KubeletUrl =
                    kubelet.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
                        .Single(),
            }),
            time);
        return await client.ProbeAsync(CancellationToken.None);
    }

    private sealed class AnotherDay(TimeSpan ahead) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + ahead;
    }

    private static async Task<WebApplication> KubeletAsync(TestAuthority authority, string subject = "kubelet")
    {
        var (certificate, key) = authority.Issue(subject, "node");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(
            System.Net.IPAddress.Loopback, 0, listen => listen.UseHttps(
                https => https.ServerCertificate = X509Certificate2.CreateFromPemFile(certificate, key))));
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
