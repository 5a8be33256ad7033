using k8s;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>What a user said about the cluster.</summary>
internal sealed record ConnectionOptions(
    string? Kubeconfig, string? Context, string? Namespace, TimeSpan RequestTimeout);

/// <summary>A connection, and the namespace that is meant.</summary>
internal sealed class Session(Func<IKubernetes> connect, string namespaceName) : IDisposable
{
    private readonly Lazy<IKubernetes> _client = new(connect);

    /// <summary>Made when it is first used: what asks the server nothing needs none.</summary>
    public IKubernetes Client => _client.Value;

    public string Namespace { get; } = namespaceName;

    public static Session Open(ConnectionOptions options) => Open(options, Environment.GetEnvironmentVariable);

    internal static Session Open(ConnectionOptions options, Func<string, string?> environment)
    {
        var file = Find(options.Kubeconfig, environment);
        if (file is null && !string.IsNullOrEmpty(options.Context))
        {
            // Who names a context does not mean the account of the pod that this may run in.
            throw new CommandException(
                ExitCode.Unreachable,
                $"--context {options.Context}: no kubeconfig has it, for there is none at "
                + $"{string.Join(", ", Kubeconfig.FilesOf(environment))}: "
                + "name one with --kubeconfig or KUBECONFIG");
        }

        var context = file?.ContextNamed(options.Context);
        var patience = options.RequestTimeout > TimeSpan.Zero ? options.RequestTimeout : PatientKubernetes.Usual;
        return new Session(
            () => new PatientKubernetes(
                new Kubernetes(
                    file is not null ? file.ConfigurationOf(context!, TimeProvider.System)
                    : InCluster() ?? throw new CommandException(
                        ExitCode.Unreachable,
                        "no kubeconfig: name one with --kubeconfig or KUBECONFIG, or put it into ~/.kube/config"),
                    patience),
                patience),
            Given(options.Namespace)
                ?? (file is null ? InCluster()?.Namespace : context?.Namespace)
                ?? "default");
    }

    /// <summary>The files that a user means; null when there is none.</summary>
    private static Kubeconfig? Find(string? named, Func<string, string?> environment) =>
        string.IsNullOrEmpty(named) ? Kubeconfig.Find(environment)
        : File.Exists(named) ? Kubeconfig.Of(named)
        : throw new CommandException(ExitCode.Unreachable, $"--kubeconfig {named}: no such file");

    private static KubernetesClientConfiguration? InCluster() =>
        KubernetesClientConfiguration.IsInCluster() ? KubernetesClientConfiguration.InClusterConfig() : null;

    // kubectl takes an empty flag as one that is not there.
    private static string? Given(string? text) => string.IsNullOrEmpty(text) ? null : text;

    public void Dispose()
    {
        if (_client.IsValueCreated)
        {
            (_client.Value as IDisposable)?.Dispose();
        }
    }
}
