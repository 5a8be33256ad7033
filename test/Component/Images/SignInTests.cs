using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NUnit.Framework;
using PodCheckpointing.Agent.Images;
using PodCheckpointing.Component.Grpc;

namespace PodCheckpointing.Component.Images;

/// <summary>Registries that want to know who we are, and registries of whom we want to know it.</summary>
internal sealed class SignInTests : ImageFixture
{
    private const string User = "agent";
    private const string Password = "let-me-in";
    private const string Hash = "$2b$05$vC8SuDjgE.aEC92.OtOtK.9jXKvMfez2kx6v9XpsMqY8woXGDNyy2";

    [TestCase(User, Password, null)]
    [TestCase(User, "wrong", RegistryFailure.Denied)]
    [TestCase(null, null, RegistryFailure.Denied)]
    public async Task By_password(string? user, string? password, object? failure)
    {
        File.WriteAllText($"{Folder}/htpasswd", $"{User}:{Hash}\n");
        using var registry = await Registry.StartAsync($$"""
            auth:
              htpasswd:
                realm: test
                path: {{Folder}}/htpasswd
            """);
        var options = Quick(o => o.AuthFile = user is null ? "" : AuthFile(registry.Host, user, password!));

        await ExpectAsync(() => PushAsync($"{registry.Host}/counter:1", options), failure);

        if (failure is null)
        {
            await Parts.RunAsync(
                "skopeo", "inspect", "--tls-verify=false", "--creds", $"{User}:{Password}",
                $"docker://{registry.Host}/counter:1");
        }
    }

    [TestCase(User, Password, null)]
    [TestCase(User, "wrong", RegistryFailure.Denied)]
    public async Task By_a_token_that_another_server_gives_for_the_password(
        string user, string password, object? failure)
    {
        using var authority = new TestAuthority();
        var (certificate, key) = authority.Issue("issuer", "issuer");
        await using var issuer = await IssuerAsync(certificate, key);
        using var registry = await Registry.StartAsync($$"""
            auth:
              token:
                realm: {{AddressOf(issuer)}}/token
                service: registry
                issuer: issuer
                rootcertbundle: {{authority.CaFile}}
            """);

        await ExpectAsync(
            () => PushAsync(
                $"{registry.Host}/counter:1", Quick(o => o.AuthFile = AuthFile(registry.Host, user, password))),
                failure);
    }

    [Test]
    public async Task Away_from_this_machine_only_over_TLS_by_an_authority_that_we_trust()
    {
        using var authority = new TestAuthority();
        using var other = new TestAuthority();
        var name = Dns.GetHostName();
        var address = (await Dns.GetHostAddressesAsync(name)).First(
            a => a.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork);
        var (certificate, key) = authority.Issue("registry", name);
        using var registry = await Registry.StartAsync(
            $$"""
              tls:
                certificate: {{certificate}}
                key: {{key}}
            """,
            address.ToString());
        var reference = $"{name}:{registry.Host.Split(':')[1]}/counter:1";

        (await PushAsync(reference, Quick(o => o.RegistryCa = authority.CaFile))).Should().BePositive();

        await ExpectAsync(
            () => PushAsync(reference, Impatient(o => o.RegistryCa = other.CaFile)), RegistryFailure.Unavailable);
        await ExpectAsync(() => PushAsync(reference, Impatient(_ => { })), RegistryFailure.Unavailable);
    }

    [Test]
    public async Task Away_from_this_machine_never_in_plain_HTTP_unless_told_so_by_name()
    {
        var name = Dns.GetHostName();
        var address = (await Dns.GetHostAddressesAsync(name)).First(
            a => a.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork);
        using var registry = await Registry.StartAsync(address: address.ToString());
        var host = $"{name}:{registry.Host.Split(':')[1]}";

        await ExpectAsync(
            () => PushAsync($"{host}/counter:1", Impatient(o => o.InsecureRegistries.Add(name))),
            RegistryFailure.Unavailable);

        (await PushAsync($"{host}/counter:1", Quick(o => o.InsecureRegistries.Add(host)))).Should().BePositive();
    }

    [Test]
    public async Task Another_server_that_keeps_the_blobs_does_not_learn_the_password()
    {
        File.WriteAllText($"{Folder}/htpasswd", $"{User}:{Hash}\n");
        using var registry = await Registry.StartAsync($$"""
            auth:
              htpasswd:
                realm: test
                path: {{Folder}}/htpasswd
            """);
        var heard = new List<string>();
        await using var elsewhere = await ServeAsync(app => app.MapGet("/config", (HttpContext context) =>
        {
            heard.Add(context.Request.Headers.Authorization.ToString());
            return Results.Bytes(Image.Config);
        }));
        await using var front = await Liar.StartAsync(registry.Host, answer =>
        {
            if (answer is { Method: "GET", Status: 200 }
                && answer.Path.Contains("/blobs/sha256:", StringComparison.Ordinal))
            {
                (answer.Status, answer.Body) = (307, []);
                answer.Headers["Location"] = AddressOf(elsewhere) + "/config";
            }
        });

        (await PushAsync($"{front.Host}/counter:1", Quick(o => o.AuthFile = AuthFile(front.Host, User, Password))))
            .Should().BePositive();

        heard.Should().Equal("");
    }

    private static string AddressOf(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    private static async Task<WebApplication> ServeAsync(Action<WebApplication> map)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var app = builder.Build();
        map(app);
        await app.StartAsync();
        return app;
    }

    private static ImageOptions Impatient(Action<ImageOptions> change) => Quick(o =>
    {
        (o.Retries, o.RetryDelay) = (1, TimeSpan.FromMilliseconds(1));
        change(o);
    });

    private static async Task ExpectAsync(Func<Task<long>> pushing, object? failure)
    {
        if (failure is null)
        {
            (await pushing()).Should().BePositive();
            return;
        }

        (await pushing.Should().ThrowAsync<RegistryException>()).Which.Failure.Should().Be((RegistryFailure)failure);
    }

    private string AuthFile(string host, string user, string password)
    {
        var path = $"{Folder}/config-{Guid.NewGuid():n}.json";
        var auth = Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
        File.WriteAllText(
            path, JsonSerializer.Serialize(new { auths = new Dictionary<string, object> { [host] = new { auth } } }));
        return path;
    }

    // The server that docker's token specification wants: a password in, a signed token
    // for the scope that was asked for out.
    private static Task<WebApplication> IssuerAsync(string certificateFile, string keyFile) => ServeAsync(app =>
        app.MapGet("/token", (HttpContext context, string service, string scope) =>
        {
            var known = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{User}:{Password}"));
            return context.Request.Headers.Authorization.ToString() == known
                ? Results.Json(
                    new Dictionary<string, string> { ["token"] = Token(service, scope, certificateFile, keyFile) })
                : Results.StatusCode(401);
        }));

    private static string Token(string service, string scope, string certificateFile, string keyFile)
    {
        var parts = scope.Split(':');
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var pem = File.ReadAllText(certificateFile);
        var der = pem[PemEncoding.Find(pem).Base64Data].Replace("\n", "", StringComparison.Ordinal);
        var header = Part(new { typ = "JWT", alg = "ES256", x5c = new[] { der } });
        var claims = Part(new
        {
            iss = "issuer",
            sub = User,
            aud = service,
            exp = now + 300,
            nbf = now - 30,
            iat = now,
            jti = Guid.NewGuid().ToString(),
            access = new[] { new { type = parts[0], name = parts[1], actions = parts[2].Split(',') } },
        });
        using var key = ECDsa.Create();
        key.ImportFromPem(File.ReadAllText(keyFile));
        var signature = key.SignData(Encoding.ASCII.GetBytes($"{header}.{claims}"), HashAlgorithmName.SHA256);
        return $"{header}.{claims}.{System.Buffers.Text.Base64Url.EncodeToString(signature)}";

        static string Part(object value) =>
            System.Buffers.Text.Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(value));
    }
}
