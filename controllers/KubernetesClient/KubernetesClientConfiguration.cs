using System.Security.Cryptography.X509Certificates;
using k8s.Exceptions;

namespace k8s;

/// <summary>Where the API server is and who we are there.</summary>
public sealed class KubernetesClientConfiguration
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

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
    /// <param name="kubeconfig">The file, which goes before the pod's; null for those of KUBECONFIG, then
    /// ~/.kube/config.</param>
    /// <param name="context">The context in it; null for the current one.</param>
    /// <exception cref="KubeConfigException">There is none that can be used.</exception>
    public static KubernetesClientConfiguration BuildDefault(string? kubeconfig, string? context)
    {
        if (kubeconfig is not null)
        {
            return BuildConfigFromConfigFile(kubeconfig, context);
        }

        if (IsInCluster())
        {
            return InClusterConfig();
        }

        Func<string, string?> environment = Environment.GetEnvironmentVariable;
        return Kubeconfig.Find(environment) is { } file
            ? Of(file, context)
            : throw new KubeConfigException(
                $"not in a pod, and there is no kubeconfig at {string.Join(", ", Kubeconfig.FilesOf(environment))}: "
                    + "name one");
    }

    /// <summary>Whether we run in a pod that has an account.</summary>
    public static bool IsInCluster() =>
        Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST") is { Length: > 0 }
        && File.Exists($"{ServiceAccount}/token");

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
    /// <exception cref="KubeConfigException">The file lacks something, or holds what this client does not
    /// support.</exception>
    public static KubernetesClientConfiguration BuildConfigFromConfigFile(string path, string? context) =>
        Of(Kubeconfig.Of(path), context);

    private static KubernetesClientConfiguration Of(Kubeconfig file, string? context) =>
        file.ConfigurationOf(file.ContextNamed(context), TimeProvider.System);
}
