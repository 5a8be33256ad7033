using System.Text;
using System.Text.Json;
using k8s;
using k8s.Models;

namespace PodCheckpointing.TestKubelet.Pods;

/// <summary>The ConfigMaps, Secrets and claims that a pod names, and its own facts: what its
/// variables and volumes are made of.</summary>
internal sealed class PodSources
{
    private readonly Dictionary<(string Kind, string Name), IReadOnlyDictionary<string, byte[]>> _data = [];

    private readonly Dictionary<string, string> _folders = [];

    /// <summary>For pods that name none.</summary>
    public static PodSources None { get; } = new();

    /// <summary>Reads what the pod names.</summary>
    /// <exception cref="NotSupportedException">Something is not there, and the pod does not
    /// say that it may be absent.</exception>
    public static async Task<PodSources> LoadAsync(
        V1Pod pod, IKubernetes kubernetes, CancellationToken cancellationToken)
    {
        var result = new PodSources();
        foreach (var (kind, name, optional) in Named(pod).Distinct())
        {
            try
            {
                result._data[(kind, name)] = kind == "Secret"
                    ? (await kubernetes.GetAsync<V1Secret>(
                        pod.Metadata.NamespaceProperty, name, cancellationToken)).Data?.ToDictionary() ?? []
                    : (await kubernetes.GetAsync<V1ConfigMap>(pod.Metadata.NamespaceProperty, name, cancellationToken))
                        is var map
                        ? (map.Data ?? new Dictionary<string, string>())
                            .ToDictionary(p => p.Key, p => Encoding.UTF8.GetBytes(p.Value))
                            .Concat(map.BinaryData ?? new Dictionary<string, byte[]>()).ToDictionary()
                        : [];
            }
            catch (KubernetesException exception) when (exception.IsNotFound)
            {
                if (!optional)
                {
                    throw new NotSupportedException($"{kind.ToLowerInvariant()} \"{name}\" not found", exception);
                }
            }
        }

        foreach (var claim in (pod.Spec.Volumes ?? []).SelectMany(Volumes.SourcesOf).Where(
            s => s.Kind == "persistentVolumeClaim"))
        {
            var name = Text(claim.Value, "claimName");
            result._folders[name] =
                await FolderAsync(pod.Metadata.NamespaceProperty!, name, kubernetes, cancellationToken);
        }

        return result;
    }

    /// <summary>The folder of the node that is behind a claim.</summary>
    public string FolderOf(string claim) => _folders[claim];

    public IReadOnlyDictionary<string, byte[]>? Find(string kind, string name) => _data.GetValueOrDefault((kind, name));

    /// <summary>What fieldRef gives; null for a path that nobody resolves.</summary>
    public static string? Field(V1Pod pod, string? path, KubeletOptions options) => path switch
    {
        "metadata.name" => pod.Metadata.Name,
        "metadata.namespace" => pod.Metadata.NamespaceProperty,
        "metadata.uid" => pod.Metadata.Uid,
        "metadata.labels" => Lines(pod.Metadata.Labels),
        "metadata.annotations" => Lines(pod.Metadata.Annotations),
        "spec.nodeName" => options.NodeName,
        "status.hostIP" => options.NodeIP,
        "status.podIP" => pod.Status?.PodIP,
        ['m', .., '\''] when path.Split('\'') is ["metadata.labels[", var key, _] =>
            pod.Metadata.Labels?.TryGetValue(key, out var label) == true ? label : "",
        _ => null,
    };

    private static async Task<string> FolderAsync(
        string space, string name, IKubernetes kubernetes, CancellationToken cancellationToken)
    {
        try
        {
            var claim = await kubernetes.GetAsync<V1PersistentVolumeClaim>(space, name, cancellationToken);
            if (claim is not { Metadata.DeletionTimestamp: null, Status.Phase: "Bound", Spec.VolumeName: { } bound })
            {
                throw new NotSupportedException($"persistentvolumeclaim \"{name}\" is not bound, or is being deleted");
            }

            var volume = await kubernetes.GetAsync<V1PersistentVolume>(null, bound, cancellationToken);
            return volume.Spec?.More?.TryGetValue("local", out var local) == true
                ? Text(local, "path")
                : throw new NotSupportedException($"volume {bound}: this kubelet mounts local volumes only");
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            throw new NotSupportedException($"persistentvolumeclaim \"{name}\" or its volume is not found", exception);
        }
    }

    private static string Lines(IDictionary<string, string>? pairs) =>
        string.Join(
            '\n', (pairs ?? new Dictionary<string, string>()).Select(
                p => $"{p.Key}={JsonSerializer.Serialize(p.Value)}"));

    private static IEnumerable<(string Kind, string Name, bool Optional)> Named(V1Pod pod)
    {
        foreach (var container in pod.Spec.Containers.Concat(pod.Spec.InitContainers ?? []))
        {
            foreach (var variable in container.Env ?? [])
            {
                if (variable.More?.TryGetValue("valueFrom", out var from) == true)
                {
                    foreach (var (word, kind) in new[] { ("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret") })
                    {
                        if (from.TryGetProperty(word, out var reference))
                        {
                            yield return (kind, Text(reference, "name"), Flag(reference, "optional"));
                        }
                    }
                }
            }

            if (container.More?.TryGetValue("envFrom", out var all) == true)
            {
                foreach (var source in all.EnumerateArray())
                {
                    foreach (var (word, kind) in new[] { ("configMapRef", "ConfigMap"), ("secretRef", "Secret") })
                    {
                        if (source.TryGetProperty(word, out var reference))
                        {
                            yield return (kind, Text(reference, "name"), Flag(reference, "optional"));
                        }
                    }
                }
            }
        }

        foreach (var source in (pod.Spec.Volumes ?? []).SelectMany(Volumes.SourcesOf))
        {
            if (source.Kind is "configMap" or "secret")
            {
                yield return (
                    source.Kind == "secret" ? "Secret" : "ConfigMap",
                    Text(source.Value, source.Value.TryGetProperty("secretName", out _) ? "secretName" : "name"),
                    Flag(source.Value, "optional"));
            }
        }
    }

    internal static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) ? value.GetString() ?? "" : "";

    private static bool Flag(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.GetBoolean();
}
