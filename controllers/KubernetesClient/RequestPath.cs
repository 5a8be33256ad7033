using System.Reflection;
using System.Text;

namespace k8s;

/// <summary>Where the API server serves a kind, an object, or a part of one.</summary>
internal static class RequestPath
{
    /// <summary>The path of an object, or without a name that of the kind.</summary>
    /// <exception cref="ArgumentException">A part of it would lead elsewhere.</exception>
    public static string Of<T>(string? namespaceName, string? name, string? subresource)
    {
        var entity = Entity<T>.Of;
        var path = new StringBuilder(entity.Group.Length == 0 ? "/api/" : $"/apis/{entity.Group}/")
            .Append(entity.ApiVersion);
        if (entity.Namespaced && namespaceName is not null)
        {
            path.Append("/namespaces/").Append(Segment(namespaceName, "namespace"));
        }

        path.Append('/').Append(entity.PluralName);
        if (name is not null)
        {
            path.Append('/').Append(Segment(name, "name"));
        }

        if (subresource is not null)
        {
            path.Append('/').Append(Segment(subresource, "subresource"));
        }

        return path.ToString();
    }

    /// <summary>What is asked of a kind, as a query.</summary>
    public static string Query(ListOptions options)
    {
        var query = new StringBuilder("?pretty=false");
        foreach (var (key, value) in new[]
        {
            ("labelSelector", options.LabelSelector), ("fieldSelector", options.FieldSelector),
            ("limit", options.Limit?.ToString((IFormatProvider?)null)), ("continue", options.Continue),
            ("resourceVersion", options.ResourceVersion),
        })
        {
            if (!string.IsNullOrEmpty(value))
            {
                query.Append('&').Append(key).Append('=').Append(Uri.EscapeDataString(value));
            }
        }

        return query.ToString();
    }

    // Of an empty name all objects of the kind would be meant, and a URL with dots leads elsewhere.
    private static string Segment(string value, string what) => value is "" or "." or ".."
        ? throw new ArgumentException($"\"{value}\" is no {what} of an object")
        : Uri.EscapeDataString(value);

    private static class Entity<T>
    {
        public static KubernetesEntityAttribute Of { get; } = typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()
            ?? throw new InvalidOperationException($"{typeof(T).Name} has no KubernetesEntity attribute");
    }
}
