using System.Text.Json;

namespace PodCheckpointing.Storage;

/// <summary>Manifests and markers as they stand on the volume.</summary>
public static class ManifestJson
{
    // Strict, unlike the defaults for the web: a byte that flipped must not be read as what was meant.
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        // An image name has a slash, a mount perhaps an ampersand: nobody reads this as HTML.
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The JSON Schema of manifest.json.</summary>
    public static string Schema
    {
        get
        {
            using var stream = typeof(ManifestJson).Assembly.GetManifestResourceStream("manifest.schema.json")!;
            using var reader = new StreamReader(stream);
            return reader.ReadToEnd();
        }
    }

    /// <summary>A manifest's bytes.</summary>
    public static byte[] Write(ContainerManifest manifest) => JsonSerializer.SerializeToUtf8Bytes(manifest, Options);

    /// <summary>A marker's bytes.</summary>
    public static byte[] Write(CheckpointMarker marker) => JsonSerializer.SerializeToUtf8Bytes(marker, Options);

    /// <summary>Reads a manifest.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="path">Its name, for the error.</param>
    /// <exception cref="CorruptArtifactException">It is none, or of a version that
    /// this program does not know.</exception>
    public static ContainerManifest ReadManifest(ReadOnlySpan<byte> bytes, string path)
    {
        var manifest = Read<ContainerManifest>(bytes, path, "manifest");
        CheckVersion(manifest.SchemaVersion, path);
        // The serializer lets null through where the type does not.
        if (manifest.Frames is null || manifest.Origin is null || manifest.Frames.Any(f => f is null)
            || new[] { manifest.PodUID,
                manifest.CheckpointID, manifest.Container, manifest.Digest, manifest.CompressedDigest }
                .Any(t => t is null))
        {
            throw new CorruptArtifactException($"{path} is no manifest: a field that it needs is null");
        }

        return manifest;
    }

    /// <summary>Reads a marker.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="path">Its name, for the error.</param>
    /// <exception cref="CorruptArtifactException">It is none, or of a version that
    /// this program does not know.</exception>
    public static CheckpointMarker ReadMarker(ReadOnlySpan<byte> bytes, string path)
    {
        var marker = Read<CheckpointMarker>(bytes, path, "marker");
        CheckVersion(marker.SchemaVersion, path);
        return marker.Manifests is not null
            ? marker
            : throw new CorruptArtifactException($"{path} is no marker: it lists no manifests");
    }

    private static void CheckVersion(int version, string path)
    {
        if (version != ContainerManifest.CurrentVersion)
        {
            throw new CorruptArtifactException(
                $"{path} has schemaVersion {version}; this program reads {ContainerManifest.CurrentVersion}");
        }
    }

    private static T Read<T>(ReadOnlySpan<byte> bytes, string path, string what)
        where T : class
    {
        // Where the serializer only looks for the end of a text, it takes any bytes for one.
        if (!System.Text.Unicode.Utf8.IsValid(bytes))
        {
            throw new CorruptArtifactException($"{path} is no {what}: it is not UTF-8");
        }

        try
        {
            return JsonSerializer.Deserialize<T>(bytes, Options)
                ?? throw new CorruptArtifactException($"{path} is no {what}: it is null");
        }
        catch (JsonException exception)
        {
            throw new CorruptArtifactException($"{path} is no {what}: {exception.Message}", exception);
        }
    }
}
