using k8s.Models;

namespace k8s;

/// <summary>How a patch is meant.</summary>
public enum PatchType
{
    /// <summary>RFC 7386.</summary>
    Merge,

    /// <summary>Server-side apply.</summary>
    Apply,
}

/// <summary>What happens in a watch.</summary>
public enum WatchEventType
{
    /// <summary>The object is new.</summary>
    Added,

    /// <summary>The object has changed.</summary>
    Modified,

    /// <summary>The object is gone.</summary>
    Deleted,

    /// <summary>Only the resource version has moved.</summary>
    Bookmark,
}

/// <summary>One event of a watch.</summary>
public sealed record WatchEvent<T>(WatchEventType Type, T Item);

/// <summary>One page of a list.</summary>
public sealed record KubernetesList<T>
{
    /// <summary>metadata of the list.</summary>
    public V1ListMeta Metadata { get; init; } = new();

    /// <summary>items of the page.</summary>
    public IList<T> Items { get; init; } = [];
}

/// <summary>What to list or watch.</summary>
public sealed record ListOptions
{
    /// <summary>Only this namespace; null for all.</summary>
    public string? Namespace { get; init; }

    /// <summary>Only objects with these labels.</summary>
    public string? LabelSelector { get; init; }

    /// <summary>Only objects with these fields.</summary>
    public string? FieldSelector { get; init; }

    /// <summary>Items of one page.</summary>
    public int? Limit { get; init; }

    /// <summary>The page after this token.</summary>
    public string? Continue { get; init; }

    /// <summary>Watch from here.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>The server ends the watch after so long.</summary>
    public TimeSpan? Timeout { get; init; }
}

/// <summary>How to delete.</summary>
public sealed record V1DeleteOptions
{
    /// <summary>gracePeriodSeconds; 0 removes the object at once.</summary>
    public long? GracePeriodSeconds { get; init; }

    /// <summary>preconditions that must hold.</summary>
    public V1Preconditions? Preconditions { get; init; }
}

/// <summary>What must hold for a deletion.</summary>
public sealed record V1Preconditions
{
    /// <summary>uid of the object that is meant.</summary>
    public string? Uid { get; init; }

    /// <summary>resourceVersion that was seen.</summary>
    public string? ResourceVersion { get; init; }
}

/// <summary>The Kubernetes API. Every call throws <see cref="KubernetesException"/> when the server refuses, and
/// <see cref="ArgumentException"/> for a name that would mean all objects of the kind.</summary>
public interface IKubernetes
{
    /// <summary>One page of a kind.</summary>
    Task<KubernetesList<T>> ListAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>;

    /// <summary>The changes of a kind, bookmarks included, until the server ends the watch.</summary>
    IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>;

    /// <summary>One object.</summary>
    Task<T> GetAsync<T>(string? namespaceName, string name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>;

    /// <summary>Creates an object.</summary>
    /// <param name="item">The object.</param>
    /// <param name="dryRun">Whether the server is to do all of it but the storing.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<T> CreateAsync<T>(T item, bool dryRun, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>;

    /// <summary>Replaces an object, or with a subresource a part of it.</summary>
    Task<T> ReplaceAsync<T>(T item, string? subresource, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>;

    /// <summary>Patches an object, or with a subresource a part of it.</summary>
    Task<T> PatchAsync<T>(
        string? namespaceName,
        string name,
        string? subresource,
        PatchType type,
        string patch,
        string fieldManager,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>;

    /// <summary>Deletes an object.</summary>
    Task DeleteAsync<T>(
        string? namespaceName,
        string name,
        V1DeleteOptions options,
        CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>;
}

/// <summary>What is asked of the Kubernetes API most of the time.</summary>
public static class KubernetesExtensions
{
    /// <summary>Creates an object, and stores it.</summary>
    public static Task<T> CreateAsync<T>(this IKubernetes kubernetes, T item, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> => kubernetes.CreateAsync(item, dryRun: false, cancellationToken);

    /// <summary>Every page of a list.</summary>
    public static async Task<List<T>> AllAsync<T>(
        this IKubernetes kubernetes, ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        (await kubernetes.AllWithVersionAsync<T>(options, cancellationToken).ConfigureAwait(false)).Items;

    /// <summary>Every page of a list, and the version to watch from.</summary>
    public static async Task<(List<T> Items, string? Version)> AllWithVersionAsync<T>(
        this IKubernetes kubernetes, ListOptions options, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var (items, version) = (new List<T>(), (string?)null);
        options = options with { Limit = 500 };
        do
        {
            var page = await kubernetes.ListAsync<T>(options, cancellationToken).ConfigureAwait(false);
            items.AddRange(page.Items);
            // The first page's: a page that was listed anew, its token being too old, is from later.
            version ??= page.Metadata.ResourceVersion;
            options = options with { Continue = page.Metadata.Continue };
        }
        while (!string.IsNullOrEmpty(options.Continue));
        return (items, version);
    }
}
