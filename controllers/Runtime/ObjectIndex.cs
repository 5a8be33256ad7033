using k8s;
using k8s.Models;

namespace PodCheckpointing.Runtime;

/// <summary>Finds objects of a kind by something else than their name, without looking at all of them.</summary>
/// <param name="valueOf">What an object is found by; null for one that is not. A function of the object alone.</param>
public sealed class ObjectIndex<T>(Func<T, string?> valueOf)
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    /// <summary>What an object is found by.</summary>
    public string? ValueOf(T item) => valueOf(item);
}
