using System.Text.Json.Serialization;

namespace k8s.Models;

/// <summary>Something that happened to an object, told to its user.</summary>
[KubernetesEntity(Kind = "Event", PluralName = "events")]
public sealed record Corev1Event : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "Event";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>involvedObject is the object that it happened to.</summary>
    public V1ObjectReference InvolvedObject { get; init; } = new();

    /// <summary>type is Normal or Warning.</summary>
    public string Type { get; init; } = "Normal";

    /// <summary>reason, one word.</summary>
    public string Reason { get; init; } = "";

    /// <summary>message for people.</summary>
    public string Message { get; init; } = "";

    /// <summary>source says who reports.</summary>
    public V1EventSource? Source { get; init; }

    /// <summary>firstTimestamp is when it first happened.</summary>
    public DateTime? FirstTimestamp { get; init; }

    /// <summary>lastTimestamp is when it last happened.</summary>
    public DateTime? LastTimestamp { get; init; }

    /// <summary>count is how often it happened.</summary>
    public int? Count { get; init; }
}

/// <summary>Points at any object.</summary>
public sealed record V1ObjectReference
{
    /// <summary>apiVersion of the object.</summary>
    public string? ApiVersion { get; init; }

    /// <summary>kind of the object.</summary>
    public string? Kind { get; init; }

    /// <summary>name of the object.</summary>
    public string? Name { get; init; }

    /// <summary>namespace of the object.</summary>
    [JsonPropertyName("namespace")]
    public string? NamespaceProperty { get; init; }

    /// <summary>uid of the object.</summary>
    public string? Uid { get; init; }
}

/// <summary>Who reports an event.</summary>
public sealed record V1EventSource
{
    /// <summary>component that reports.</summary>
    public string? Component { get; init; }
}

/// <summary>Named texts.</summary>
[KubernetesEntity(Kind = "ConfigMap", PluralName = "configmaps")]
public sealed record V1ConfigMap : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "ConfigMap";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>data, texts by their keys.</summary>
    public IDictionary<string, string>? Data { get; init; }

    /// <summary>binaryData, bytes by their keys.</summary>
    public IDictionary<string, byte[]>? BinaryData { get; init; }
}

/// <summary>Named bytes that are nobody else's business.</summary>
[KubernetesEntity(Kind = "Secret", PluralName = "secrets")]
public sealed record V1Secret : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "Secret";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>data, bytes by their keys.</summary>
    public IDictionary<string, byte[]>? Data { get; init; }
}
