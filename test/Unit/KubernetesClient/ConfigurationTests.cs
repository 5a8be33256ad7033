using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using FluentAssertions;
using k8s;
using k8s.Exceptions;
using NUnit.Framework;

namespace PodCheckpointing.Unit.KubernetesClient;

public sealed class ConfigurationTests
{
    private string _folder = null!;

    [SetUp]
    public void Begin() => _folder = Directory.CreateTempSubdirectory("kubeconfig").FullName;

    [TearDown]
    public void End() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void Reads_the_current_context_and_paths_beside_the_file()
    {
        var read = Read("""
            current-context: b
            contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, user: u, namespace: n}}]
            clusters: [{name: c, cluster: {server: "https://1.2.3.4:6443"}}]
            users: [{name: u, user: {tokenFile: token}}]
            """);

        read.Host.Should().Be(new Uri("https://1.2.3.4:6443"));
        read.Namespace.Should().Be("n");
        read.AccessTokenFile.Should().Be(Path.Combine(_folder, "token"));
    }

    [TestCase("", "has no current-context")]
    [TestCase("current-context: x", "has no context \"x\"")]
    [TestCase("{current-context: x, contexts: [{name: x, context: {cluster: c}}]}", "has no cluster \"c\"")]
    [TestCase(
        "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: "
            + "{server: 'https://h:1'}}]}",
        "has no user \"u\"")]
    [TestCase(
        "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: "
            + "{server: 'https://h:1', tls-server-name: n}}], users: [{name: u, user: {}}]}",
        "tls-server-name of cluster \"c\" is not supported")]
    [TestCase(
        "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: "
            + "{server: 'https://h:1'}}], users: [{name: u, user: {auth-provider: {name: p}}}]}",
        "auth-provider of user \"u\" is not supported")]
    [TestCase(
        "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: "
            + "{server: 'https://h:1'}}], users: [{name: u, user: {token: t, as-groups: [g]}}]}",
        "as-groups of user \"u\" is not supported")]
    public void Says_what_a_file_lacks_or_what_is_too_much_in_it(string text, string message) =>
        FluentActions.Invoking(() => Read(text)).Should().Throw<KubeConfigException>().WithMessage($"*{message}*");

    [Test]
    public void Takes_what_kubelet_gives_to_a_pod()
    {
        using var key = ECDsa.Create();
        using var authority = new CertificateRequest("CN=ca", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(_folder, "ca.crt"), authority.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "namespace"), "ours\n");

        var read = KubernetesClientConfiguration.InClusterConfig(
            _folder, name => name == "KUBERNETES_SERVICE_HOST"
                ? "fd00::1"
                : name == "KUBERNETES_SERVICE_PORT" ? "443" : null);

        read.Host.Should().Be(new Uri("https://[fd00::1]:443"));
        read.Namespace.Should().Be("ours");
        read.SslCaCerts.Should().ContainSingle();
        FluentActions.Invoking(() => KubernetesClientConfiguration.InClusterConfig(_folder, _ => null))
            .Should().Throw<InvalidOperationException>().WithMessage("*name a kubeconfig file*");
    }

    [Test]
    public void Reads_a_renewed_token_within_a_minute()
    {
        var path = Path.Combine(_folder, "token");
        var time = new HandTime();
        var token = new TokenFile(path, time);
        File.WriteAllText(path, "one\n");
        token.Read(null).Should().Be("one");
        File.WriteAllText(path, "two");
        token.Read(null).Should().Be("one", "the file is not read for every request");
        time.Now += TimeSpan.FromMinutes(1);
        token.Read(null).Should().Be("two");
        File.WriteAllText(path, "three");
        token.Read("two").Should().Be("three", "the server does not take the second one any more");
    }

    private KubernetesClientConfiguration Read(string text)
    {
        var path = Path.Combine(_folder, "config");
        File.WriteAllText(path, text);
        return KubernetesClientConfiguration.BuildConfigFromConfigFile(path, context: null);
    }

    private sealed class HandTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
