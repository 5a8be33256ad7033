using k8s;
using k8s.Models;

namespace PodCheckpointing.Runtime;

/// <summary>Names an object; the only thing that a queue holds. It says nothing of what happened to it.</summary>
public readonly record struct ObjectKey(string? Namespace, string Name)
{
    /// <summary>The key of an object.</summary>
    public static ObjectKey Of(IKubernetesObject<V1ObjectMeta> item) =>
        new(item.Metadata.NamespaceProperty, item.Metadata.Name!);

    /// <inheritdoc/>
    public override string ToString() => Namespace is null ? Name : $"{Namespace}/{Name}";
}
