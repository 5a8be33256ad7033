using System.Security.Cryptography.X509Certificates;
using System.Text;
using YamlDotNet.RepresentationModel;

namespace k8s;

/// <summary>Where the API server is and who we are there.</summary>
public sealed class KubernetesClientConfiguration
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
    private static readonly string[] Unsupported = ["proxy-url", "tls-server-name"];
    private static readonly string[] Impersonation = ["as", "as-uid", "as-groups", "as-user-extra"];

    /// <summary>URL of the API server.</summary>
    public required Uri Host { get; init; }

    /// <summary>The namespace that a user means when none is named.</summary>
    public string Namespace { get; init; } = "default";

    /// <summary>The authorities that the server's certificate may come from; null for the machine's own.</summary>
    public X509Certificate2Collection? SslCaCerts { get; init; }

    /// <summary>Our certificate with its key, when we have one.</summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>A bearer token, when there is one.</summary>
    public string? AccessToken { get; init; }

    /// <summary>A file with a bearer token that somebody renews: it is read again
    /// for every minute's requests.</summary>
    public string? AccessTokenFile { get; init; }

    /// <summary>Where tokens come from that do not last; goes before the other two.</summary>
    public ITokenSource? TokenSource { get; init; }

    /// <summary>The in-cluster configuration where we run in a pod, else a kubeconfig file.</summary>
    /// <param name="kubeconfig">The file; null for KUBECONFIG, then ~/.kube/config.</param>
    /// <param name="context">The context in it; null for the current one.</param>
    public static KubernetesClientConfiguration BuildDefault(string? kubeconfig, string? context)
    {
        if (kubeconfig is null && File.Exists($"{ServiceAccount}/token"))
        {
            return InClusterConfig();
        }

        kubeconfig ??= Environment.GetEnvironmentVariable("KUBECONFIG") is { Length: > 0 } named
            ? named
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".kube", "config");
        return BuildConfigFromConfigFile(kubeconfig, context);
    }

    /// <summary>The configuration that kubelet gives to every pod.</summary>
    /// <exception cref="InvalidOperationException">We do not run in a pod.</exception>
    public static KubernetesClientConfiguration InClusterConfig() =>
        InClusterConfig(ServiceAccount, Environment.GetEnvironmentVariable);

    internal static KubernetesClientConfiguration InClusterConfig(string folder, Func<string, string?> environment)
    {
        var host = environment("KUBERNETES_SERVICE_HOST");
        var port = environment("KUBERNETES_SERVICE_PORT");
        if (string.IsNullOrEmpty(host) || string.IsNullOrEmpty(port))
        {
            throw new InvalidOperationException(
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: not in a pod; name a kubeconfig "
                    + "file");
        }

        var authorities = new X509Certificate2Collection();
        authorities.ImportFromPemFile($"{folder}/ca.crt");
        return new KubernetesClientConfiguration
        {
            Host = new UriBuilder("https", host, int.Parse(port, null)).Uri,
            Namespace = File.ReadAllText($"{folder}/namespace").Trim(),
            SslCaCerts = authorities,
            AccessTokenFile = $"{folder}/token",
        };
    }

    /// <summary>The configuration in a kubeconfig file.</summary>
    /// <exception cref="InvalidDataException">The file lacks something, or holds what this
    /// client does not support.</exception>
    public static KubernetesClientConfiguration BuildConfigFromConfigFile(string path, string? context)
    {
        var yaml = new YamlStream();
        using (var reader = File.OpenText(path))
        {
            yaml.Load(reader);
        }

        var root = yaml.Documents.Count > 0 ? yaml.Documents[0].RootNode as YamlMappingNode : null;
        var file = new KubeconfigFile(path, root ?? throw new InvalidDataException($"{path} is not a kubeconfig file"));
        context ??= KubeconfigFile.Text(file.Root, "current-context")
            ?? throw new InvalidDataException($"{path} has no current-context; name a context");
        var chosen = file.Named("contexts", "context", context);
        var cluster = file.Named("clusters", "cluster", KubeconfigFile.Text(chosen, "cluster") ?? "");
        var user = file.Named("users", "user", KubeconfigFile.Text(chosen, "user") ?? "");
        if (KubeconfigFile.Text(cluster, "insecure-skip-tls-verify") == "true")
        {
            throw new InvalidDataException(
                $"{path}: insecure-skip-tls-verify is not supported; put the authority into certificate-authority");
        }

        if (user.Children.ContainsKey("exec") || user.Children.ContainsKey("auth-provider"))
        {
            throw new InvalidDataException(
                $"{path}: exec and auth-provider are not supported; use a certificate or token");
        }

        if (Unsupported.FirstOrDefault(key => cluster.Children.ContainsKey(key)) is { } unsupported)
        {
            throw new InvalidDataException($"{path}: {unsupported} is not supported; use a cluster entry without it");
        }

        if (Impersonation.FirstOrDefault(key => user.Children.ContainsKey(key)) is { } other)
        {
            // Left out, it would be the real user who acts, with all rights.
            throw new InvalidDataException($"{path}: {other} is not supported; use a user entry without it");
        }

        var host = new Uri(
            KubeconfigFile.Text(cluster, "server") ?? throw new InvalidDataException($"{path}: no server"));
        if (host.AbsolutePath != "/")
        {
            throw new InvalidDataException($"{path}: the server \"{host}\" must be https://HOST:PORT without a path");
        }

        X509Certificate2Collection? authorities = null;
        if (file.Pem(cluster, "certificate-authority") is { } ca)
        {
            authorities = [];
            authorities.ImportFromPem(ca);
        }

        var certificate = file.Pem(user, "client-certificate");
        var key = file.Pem(user, "client-key");
        return new KubernetesClientConfiguration
        {
            Host = host,
            Namespace = KubeconfigFile.Text(chosen, "namespace") ?? "default",
            SslCaCerts = authorities,
            ClientCertificate = certificate is null || key is null
                ? null
                : X509Certificate2.CreateFromPem(certificate, key),
            AccessToken = KubeconfigFile.Text(user, "token"),
            AccessTokenFile = file.PathOf(user, "tokenFile"),
        };
    }

    private sealed record KubeconfigFile(string File, YamlMappingNode Root)
    {
        public static string? Text(YamlMappingNode node, string key) =>
            node.Children.TryGetValue(key, out var value) && value is YamlScalarNode { Value: { Length: > 0 } text }
                ? text
                : null;

        public string? PathOf(YamlMappingNode node, string key) =>
            Text(node, key) is { } path ? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(File))!, path) : null;

        public string? Pem(YamlMappingNode node, string key) =>
            Text(node, key + "-data") is { } data
                ? Encoding.UTF8.GetString(Convert.FromBase64String(data))
                : PathOf(node, key) is { } path ? System.IO.File.ReadAllText(path) : null;

        public YamlMappingNode Named(string list, string member, string name)
        {
            var items = Root.Children.TryGetValue(list, out var node) ? node as YamlSequenceNode : null;
            foreach (var item in items?.OfType<YamlMappingNode>() ?? [])
            {
                if (Text(item, "name") == name && item.Children[member] is YamlMappingNode found)
                {
                    return found;
                }
            }

            throw new InvalidDataException($"{File}: no entry \"{name}\" in {list}");
        }
    }
}
