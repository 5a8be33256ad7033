using System.Text.Json;
using System.Text.Json.Serialization;

namespace PodCheckpointing.Storage;

/// <summary>The marker's content: every container's manifest by its digest.</summary>
public sealed record CheckpointMarker
{
    /// <summary>schemaVersion of the file.</summary>
    [JsonRequired]
    public int SchemaVersion { get; init; } = ContainerManifest.CurrentVersion;

    /// <summary>manifests, digests by container.</summary>
    [JsonRequired]
    public IReadOnlyDictionary<string, string> Manifests { get; init; } = new Dictionary<string, string>();

    /// <summary>Fields of newer versions, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}
