using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s.Models;

/// <summary>A claim to a volume that outlives pods.</summary>
[KubernetesEntity(Kind = "PersistentVolumeClaim", PluralName = "persistentvolumeclaims")]
public sealed record V1PersistentVolumeClaim : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "PersistentVolumeClaim";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec is what is wanted.</summary>
    public V1PersistentVolumeClaimSpec? Spec { get; init; }

    /// <summary>status is what the claim has got.</summary>
    public V1PersistentVolumeClaimStatus? Status { get; init; }
}

/// <summary>What a claim asks for.</summary>
public sealed record V1PersistentVolumeClaimSpec
{
    /// <summary>accessModes: how many nodes or pods may mount it, and how.</summary>
    public IList<string>? AccessModes { get; init; }

    /// <summary>volumeName is the volume that the claim is bound to.</summary>
    public string? VolumeName { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>What a claim has got.</summary>
public sealed record V1PersistentVolumeClaimStatus
{
    /// <summary>phase is Pending, Bound or Lost.</summary>
    public string? Phase { get; init; }

    /// <summary>accessModes of the volume.</summary>
    public IList<string>? AccessModes { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A volume that outlives pods.</summary>
[KubernetesEntity(Kind = "PersistentVolume", PluralName = "persistentvolumes", Namespaced = false)]
public sealed record V1PersistentVolume : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "PersistentVolume";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec says what it is.</summary>
    public V1PersistentVolumeSpec? Spec { get; init; }
}

/// <summary>What a volume is.</summary>
public sealed record V1PersistentVolumeSpec
{
    /// <summary>accessModes: how many nodes or pods can mount it, and how.</summary>
    public IList<string>? AccessModes { get; init; }

    /// <summary>hostPath is a folder of whichever node mounts it.</summary>
    public V1HostPathVolumeSource? HostPath { get; init; }

    /// <summary>nodeAffinity says from which nodes it can be reached.</summary>
    public V1VolumeNodeAffinity? NodeAffinity { get; init; }

    /// <summary>Sources and fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>From which nodes a volume can be reached.</summary>
public sealed record V1VolumeNodeAffinity
{
    /// <summary>required is a node selector: its nodeSelectorTerms, of which one must match.</summary>
    public JsonElement? Required { get; init; }
}
