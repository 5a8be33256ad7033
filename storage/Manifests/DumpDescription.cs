using System.Text.Json;
using System.Text.Json.Serialization;

namespace PodCheckpointing.Storage;

/// <summary>What the runtime's archive says of itself, out of its config.dump and spec.dump.</summary>
public sealed record DumpDescription
{
    /// <summary>containerID that the runtime gave.</summary>
    public string ContainerID { get; init; } = "";

    /// <summary>containerName that the runtime gave.</summary>
    public string ContainerName { get; init; } = "";

    /// <summary>imageName that the container was made from.</summary>
    public string ImageName { get; init; } = "";

    /// <summary>imageDigest of it, or its id where the runtime knows no digest: a restore needs the same.</summary>
    public string ImageDigest { get; init; } = "";

    /// <summary>runtime that dumped.</summary>
    public string Runtime { get; init; } = "";

    /// <summary>checkpointedAt, by the runtime's clock.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? CheckpointedAt { get; init; }

    /// <summary>mounts that the restored container must have, too.</summary>
    public IReadOnlyList<MountPoint> Mounts { get; init; } = [];

    /// <summary>Fields of newer versions, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }

    /// <summary>Reads the two files; null where there is neither, or they are not what they should be.</summary>
    internal static DumpDescription? From(byte[]? config, byte[]? spec)
    {
        using var configuration = Parse(config);
        using var specification = Parse(spec);
        if (configuration is null && specification is null)
        {
            return null;
        }

        var root = configuration?.RootElement ?? default;
        return new DumpDescription
        {
            ContainerID = Text(root, "id"),
            ContainerName = Text(root, "name"),
            ImageName = Text(root, "rootfsImageName"),
            ImageDigest = Text(root, "rootfsImageRef"),
            Runtime = Text(root, "runtime"),
            CheckpointedAt = DateTimeOffset.TryParse(
                Text(root, "checkpointedTime"), System.Globalization.CultureInfo.InvariantCulture, out var at)
                ? at
                : null,
            Mounts = [.. MountsOf(specification?.RootElement ?? default)],
        };
    }

    private static IEnumerable<MountPoint> MountsOf(JsonElement spec)
    {
        if (spec.ValueKind != JsonValueKind.Object || !spec.TryGetProperty("mounts", out var mounts)
            || mounts.ValueKind != JsonValueKind.Array)
        {
            yield break;
        }

        foreach (var mount in mounts.EnumerateArray().Where(m => m.ValueKind == JsonValueKind.Object))
        {
            var options = mount.TryGetProperty("options", out var list) && list.ValueKind == JsonValueKind.Array
                ? list.EnumerateArray().Select(TextOf)
                : [];
            yield return new MountPoint
            {
                Destination = Text(mount, "destination"),
                Type = Text(mount, "type"),
                Source = Text(mount, "source"),
                ReadOnly = options.Contains("ro"),
            };
        }
    }

    private static string Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? TextOf(value) : "";

    private static string TextOf(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
        }
        catch (InvalidOperationException)
        {
            // No text: half a surrogate, or bytes that are no UTF-8. The dump is none the worse for it.
            return "";
        }
    }

    private static JsonDocument? Parse(byte[]? json)
    {
        try
        {
            return json is null ? null : JsonDocument.Parse(json);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>A mount of the container.</summary>
public sealed record MountPoint
{
    /// <summary>destination within the container.</summary>
    public string Destination { get; init; } = "";

    /// <summary>type: bind, proc, tmpfs and so on.</summary>
    public string Type { get; init; } = "";

    /// <summary>source on the node it ran on.</summary>
    public string Source { get; init; } = "";

    /// <summary>readOnly is true when the container could not write there.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Fields of newer versions, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}
