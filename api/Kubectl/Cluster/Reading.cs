using System.Net;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>Reads what may be long, may not be there, or may not be read.</summary>
internal static class Reading
{
    /// <summary>Every page of a list.</summary>
    public static async Task<List<T>> AllAsync<T>(
        this IKubernetes client, ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        (await client.AllWithVersionAsync<T>(options, cancellationToken)).Items;

    /// <summary>Every page of a list, and the version to watch from.</summary>
    public static async Task<(List<T> Items, string? Version)> AllWithVersionAsync<T>(
        this IKubernetes client, ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var (items, version) = (new List<T>(), (string?)null);
        options = options with { Limit = 500 };
        do
        {
            var page = await client.ListAsync<T>(options, cancellationToken);
            items.AddRange(page.Items);
            // The first page's: a page that was listed anew, its token being too old, is from later.
            version ??= page.Metadata.ResourceVersion;
            options = options with { Continue = page.Metadata.Continue };
        }
        while (!string.IsNullOrEmpty(options.Continue));
        return (items, version);
    }

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
