namespace k8s;

/// <summary>An object of the Kubernetes API.</summary>
public interface IKubernetesObject
{
    /// <summary>apiVersion is the group and version, for example "apps/v1".</summary>
    string ApiVersion { get; init; }

    /// <summary>kind of the object.</summary>
    string Kind { get; init; }
}

/// <summary>An object with metadata of a given type.</summary>
/// <typeparam name="TMetadata">The metadata's type.</typeparam>
public interface IKubernetesObject<TMetadata> : IKubernetesObject
{
    /// <summary>metadata of the object.</summary>
    TMetadata Metadata { get; init; }
}

/// <summary>Says where the API server serves a kind.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class KubernetesEntityAttribute : Attribute
{
    /// <summary>The API group; empty for the core group.</summary>
    public string Group { get; set; } = "";

    /// <summary>The version within the group.</summary>
    public string ApiVersion { get; set; } = "v1";

    /// <summary>The kind.</summary>
    public string Kind { get; set; } = "";

    /// <summary>The plural name in the URL.</summary>
    public string PluralName { get; set; } = "";

    /// <summary>False for a cluster-scoped kind.</summary>
    public bool Namespaced { get; set; } = true;
}
