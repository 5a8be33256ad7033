using k8s;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>What a user said about the cluster.</summary>
internal sealed record ConnectionOptions(string? Kubeconfig, string? Context, string? Namespace, TimeSpan RequestTimeout);

/// <summary>A connection, and the namespace that is meant.</summary>
internal sealed class Session(Func<IKubernetes> connect, string namespaceName) : IDisposable
{
    private readonly Lazy<IKubernetes> _client = new(connect);

    /// <summary>Made when it is first used: what asks the server nothing needs none.</summary>
    public IKubernetes Client => _client.Value;

    public string Namespace { get; } = namespaceName;

    public static Session Open(ConnectionOptions options)
    {
        var file = Cluster.Kubeconfig.Find(options.Kubeconfig, Environment.GetEnvironmentVariable);
        var context = file?.ContextNamed(options.Context);
        return new Session(
            () => new PatientKubernetes(
                new Kubernetes(
                    file is not null ? file.ConfigurationOf(context!)
                    : Cluster.Kubeconfig.InCluster() ?? throw new CommandException(
                        ExitCode.Unreachable, "no kubeconfig: name one with --kubeconfig or KUBECONFIG, or put it into ~/.kube/config")),
                options.RequestTimeout),
            options.Namespace ?? (file is null ? Cluster.Kubeconfig.InCluster()?.Namespace : context?.Namespace) ?? "default");
    }

    public void Dispose()
    {
        if (_client.IsValueCreated)
        {
            (_client.Value as IDisposable)?.Dispose();
        }
    }
}
