using System.Security.Cryptography.X509Certificates;
using System.Text;
using k8s.Exceptions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace k8s;

/// <summary>One or several kubeconfig files, read as kubectl reads them: of namesakes the first counts.</summary>
public sealed class Kubeconfig
{
    private static readonly string[] Unsupported = ["proxy-url", "tls-server-name"];
    private static readonly string[] Impersonation = ["as", "as-uid", "as-groups", "as-user-extra"];
    private readonly Dictionary<(string List, string Name), Entry> _entries = [];
    private readonly string _files;
    private string? _current;

    private Kubeconfig(IReadOnlyList<string> files)
    {
        _files = string.Join(':', files);
        foreach (var file in files)
        {
            Read(file);
        }
    }

    /// <summary>One file that was named.</summary>
    /// <exception cref="KubeConfigException">It cannot be read.</exception>
    public static Kubeconfig Of(string file) => new([file]);

    /// <summary>The files that are meant where none is named; null when there is none.</summary>
    /// <exception cref="KubeConfigException">One of them cannot be read.</exception>
    public static Kubeconfig? Find(Func<string, string?> environment)
    {
        var present = FilesOf(environment).Where(File.Exists).ToList();
        return present.Count > 0 ? new Kubeconfig(present) : null;
    }

    /// <summary>Where a kubeconfig is looked for when none is named.</summary>
    public static string[] FilesOf(Func<string, string?> environment) =>
        environment("KUBECONFIG") is { Length: > 0 } variable
            ? variable.Split(':', StringSplitOptions.RemoveEmptyEntries)
            : [Path.Combine(environment("HOME") ?? "/", ".kube", "config")];

    /// <summary>A context; null for the current one.</summary>
    /// <exception cref="KubeConfigException">There is none of that name.</exception>
    public KubeconfigContext ContextNamed(string? name)
    {
        name = name is { Length: > 0 } ? name : _current
            ?? throw Broken("has no current-context: choose one with --context or kubectl config use-context");
        var context = EntryOf("contexts", name, "context");
        return new KubeconfigContext(
            context.Text("cluster") ?? "", context.Text("user") ?? "", context.Text("namespace"));
    }

    /// <summary>How to reach the server of a context, and who to be there.</summary>
    /// <exception cref="KubeConfigException">Something is missing, or not supported.</exception>
    public KubernetesClientConfiguration ConfigurationOf(KubeconfigContext context, TimeProvider time)
    {
        var cluster = EntryOf("clusters", context.Cluster, "cluster");
        if (Unsupported.FirstOrDefault(cluster.Has) is { } unsupported)
        {
            throw Broken(
                $"{unsupported} of cluster \"{context.Cluster}\" is not supported: use a cluster entry without it");
        }

        if (cluster.Text("insecure-skip-tls-verify") == "true")
        {
            throw Broken(
                $"insecure-skip-tls-verify of cluster \"{context.Cluster}\" is not supported: put the authority into "
                    + "certificate-authority");
        }

        if (!Uri.TryCreate(cluster.Text("server"), UriKind.Absolute, out var server) || server.AbsolutePath != "/")
        {
            throw Broken(
                $"server \"{cluster.Text("server")}\" of cluster \"{context.Cluster}\" must be https://HOST:PORT "
                    + "without a path");
        }

        X509Certificate2Collection? authorities = null;
        if (cluster.Pem("certificate-authority") is { } authority)
        {
            authorities = [];
            authorities.ImportFromPem(authority);
        }

        var user = context.User.Length > 0 ? EntryOf("users", context.User, "user") : null;
        if (user?.Has("auth-provider") == true)
        {
            throw Broken(
                $"auth-provider of user \"{context.User}\" is not supported: use exec, a certificate or a token");
        }

        if (Impersonation.FirstOrDefault(key => user?.Has(key) == true) is { } other)
        {
            // Left out, it would be the real user who acts, with all rights.
            throw Broken($"{other} of user \"{context.User}\" is not supported: use a user entry without it");
        }

        var plugIn = user?.Exec();
        var answer = plugIn?.Run();
        var certificate = answer?.Certificate ?? user?.Pem("client-certificate");
        var key = answer?.Key ?? user?.Pem("client-key");
        var token = user?.Text("token");
        return new KubernetesClientConfiguration
        {
            Host = server,
            Namespace = context.Namespace ?? "default",
            SslCaCerts = authorities,
            ClientCertificate = certificate is null || key is null
                ? null
                : X509Certificate2.CreateFromPem(certificate, key),
            AccessToken = token,
            AccessTokenFile = token is null ? user?.PathOf("tokenFile") : null,
            TokenSource = answer?.Token is null ? null : new ExecToken(plugIn!, answer, time),
        };
    }

    private void Read(string file)
    {
        var yaml = new YamlStream();
        try
        {
            using var reader = File.OpenText(file);
            yaml.Load(reader);
        }
        catch (Exception exception) when (exception is YamlException or IOException or UnauthorizedAccessException)
        {
            throw new KubeConfigException($"kubeconfig {file}: {exception.Message}", exception);
        }

        if (yaml.Documents.Count == 0 || yaml.Documents[0].RootNode is not YamlMappingNode root)
        {
            return;
        }

        _current ??= new Entry(file, root).Text("current-context");
        foreach (var (list, member) in new[] { ("clusters", "cluster"), ("users", "user"), ("contexts", "context") })
        {
            var items = root.Children.TryGetValue(list, out var node) ? node as YamlSequenceNode : null;
            foreach (var item in items?.OfType<YamlMappingNode>() ?? [])
            {
                if (new Entry(file, item).Text("name") is { } name && item.Children.TryGetValue(member, out var value))
                {
                    _entries.TryAdd((list, name), new Entry(file, value as YamlMappingNode ?? []));
                }
            }
        }
    }

    private Entry EntryOf(string list, string name, string what) =>
        _entries.TryGetValue((list, name), out var found)
            ? found
            : throw Broken(
                $"has no {what} \"{name}\"; it has: "
                    + $"{string.Join(", ", _entries.Keys.Where(k => k.List == list).Select(k => k.Name))}");

    private KubeConfigException Broken(string what) => new($"kubeconfig {_files}: {what}");

    /// <summary>One entry, and the file that its paths are relative to.</summary>
    private sealed record Entry(string File, YamlMappingNode Node)
    {
        public bool Has(string key) => Node.Children.ContainsKey(key);

        public string? Text(string key) =>
            Node.Children.TryGetValue(key, out var value)
                && value is YamlScalarNode { Value: { Length: > 0 } text } ? text : null;

        public string? PathOf(string key) =>
            Text(key) is { } path ? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(File))!, path) : null;

        public string? Pem(string key)
        {
            try
            {
                return Text(key + "-data") is { } data ? Encoding.UTF8.GetString(Convert.FromBase64String(data))
                    : PathOf(key) is { } path ? System.IO.File.ReadAllText(path)
                    : null;
            }
            catch (Exception exception)
                when (exception is IOException or FormatException or UnauthorizedAccessException)
            {
                throw new KubeConfigException($"kubeconfig {File}: {key}: {exception.Message}", exception);
            }
        }

        public ExecCredential? Exec() =>
            Node.Children.TryGetValue("exec", out var value)
                && value is YamlMappingNode exec ? ExecCredential.Of(exec, File) : null;
    }
}

/// <summary>A context of a kubeconfig file.</summary>
/// <param name="Cluster">The name of its cluster.</param>
/// <param name="User">The name of its user; empty for none.</param>
/// <param name="Namespace">The namespace that is meant where none is named.</param>
public sealed record KubeconfigContext(string Cluster, string User, string? Namespace);
