using System.Net;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>Reads what may not be there, or may not be read.</summary>
internal static class Reading
{
    /// <summary>An object; null where it is not there.</summary>
    public static async Task<T?> FindAsync<T>(
        this IKubernetes client, string? namespaceName, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            return await client.GetAsync<T>(namespaceName, name, cancellationToken);
        }
        catch (KubernetesException exception) when (exception.IsNotFound)
        {
            return null;
        }
    }

    /// <summary>What is read; null where the user may not. That it is not known is no reason to stop.</summary>
    public static async Task<T?> TryAsync<T>(Func<Task<T>> read)
        where T : class?
    {
        try
        {
            return await read();
        }
        catch (KubernetesException exception) when (exception.Code == HttpStatusCode.Forbidden)
        {
            return null;
        }
    }
}
