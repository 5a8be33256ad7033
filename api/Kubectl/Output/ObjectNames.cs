using System.Reflection;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>Objects by name.</summary>
internal static class ObjectNames
{
    /// <summary>kind.group/name, which every kubectl command takes.</summary>
    public static string Of<T>(T item)
        where T : IKubernetesObject<V1ObjectMeta> =>
        $"{KindOf<T>()}/{item.Metadata.Name ?? item.Metadata.GenerateName}";

    /// <summary>kind.group, as kubectl writes it.</summary>
    public static string KindOf<T>()
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var entity = typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()!;
        return entity.Group.Length == 0
            ? entity.Kind.ToLowerInvariant()
            : $"{entity.Kind.ToLowerInvariant()}.{entity.Group}";
    }
}
