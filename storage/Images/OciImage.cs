using System.Text.Json;

namespace PodCheckpointing.Storage.Images;

/// <summary>The OCI image of one container's checkpoint: its only layer is dump.tar.zst
/// as it lies on the volume.</summary>
/// <remarks>Nothing but the store's manifest goes into it, so the same checkpoint is the same
/// image, wherever it is made.</remarks>
public sealed class OciImage
{
    /// <summary>mediaType of an image's manifest.</summary>
    public const string ManifestType = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>mediaType of an image's configuration.</summary>
    public const string ConfigType = "application/vnd.oci.image.config.v1+json";

    /// <summary>mediaType of the layer: what a runtime's tar is in its zstd frames.</summary>
    public const string LayerType = "application/vnd.oci.image.layer.v1.tar+zstd";

    /// <summary>The file by which a folder or an archive is known as an OCI layout.</summary>
    public const string LayoutFile = "oci-layout";

    private const string IndexType = "application/vnd.oci.image.index.v1+json";

    internal OciImage(ContainerManifest checkpoint, string engine)
    {
        Checkpoint = checkpoint;
        Annotations = CheckpointAnnotations.Of(checkpoint, engine);
        Config = Write(WriteConfig);
        ConfigDigest = Digest.Of(Config);
        Manifest = Write(WriteManifest);
        ManifestDigest = Digest.Of(Manifest);
    }

    /// <summary>What stands in <see cref="LayoutFile"/>.</summary>
    public static ReadOnlySpan<byte> LayoutVersion => "{\"imageLayoutVersion\":\"1.0.0\"}"u8;

    /// <summary>The checkpoint that it is made of.</summary>
    public ContainerManifest Checkpoint { get; }

    /// <summary>What engines recognise it by; on the manifest and on a layout's index.</summary>
    public IReadOnlyDictionary<string, string> Annotations { get; }

    /// <summary>The bytes of its configuration.</summary>
    public byte[] Config { get; }

    /// <summary>Their digest, which is the image's id.</summary>
    public string ConfigDigest { get; }

    /// <summary>The bytes of its manifest.</summary>
    public byte[] Manifest { get; }

    /// <summary>Their digest, by which a registry knows the image.</summary>
    public string ManifestDigest { get; }

    /// <summary>The digest of the layer.</summary>
    public string LayerDigest => Checkpoint.CompressedDigest;

    /// <summary>Bytes of the layer.</summary>
    public long LayerSize => Checkpoint.CompressedSize;

    private string Architecture => Checkpoint.Origin.Architecture is { Length: > 0 } known ? known : "amd64";

    private string Created =>
        DateTime.SpecifyKind(Checkpoint.CreatedAt, DateTimeKind.Utc).ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", null);

    /// <summary>The bytes of a layout's index.json that names this image alone.</summary>
    /// <param name="name">The image's full name, as containerd imports it.</param>
    /// <param name="tag">Its tag, by which the tools of containers/image find it.</param>
    public byte[] Index(string name, string tag) => Write(json =>
    {
        json.WriteNumber("schemaVersion", 2);
        json.WriteString("mediaType", IndexType);
        json.WriteStartArray("manifests");
        json.WriteStartObject();
        WriteDescriptor(json, ManifestType, ManifestDigest, Manifest.Length);
        json.WriteStartObject("platform");
        json.WriteString("architecture", Architecture);
        json.WriteString("os", "linux");
        json.WriteEndObject();
        json.WriteStartObject("annotations");
        json.WriteString("io.containerd.image.name", name);
        json.WriteString("org.opencontainers.image.ref.name", tag);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
        WriteAnnotations(json);
    });

    private void WriteConfig(Utf8JsonWriter json)
    {
        json.WriteString("created", Created);
        json.WriteString("architecture", Architecture);
        json.WriteString("os", "linux");
        json.WriteStartObject("config");
        json.WriteEndObject();
        json.WriteStartObject("rootfs");
        json.WriteString("type", "layers");
        json.WriteStartArray("diff_ids");
        json.WriteStringValue(Checkpoint.Digest);
        json.WriteEndArray();
        json.WriteEndObject();
        // Two checkpoints must never share a configuration: stores know images by it, and
        // would take the other's annotations.
        json.WriteStartArray("history");
        json.WriteStartObject();
        json.WriteString("created", Created);
        json.WriteString(
            "created_by",
            $"checkpoint {Checkpoint.CheckpointID} of container {Checkpoint.Container} of pod {Checkpoint.PodUID}");
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private void WriteManifest(Utf8JsonWriter json)
    {
        json.WriteNumber("schemaVersion", 2);
        json.WriteString("mediaType", ManifestType);
        json.WriteStartObject("config");
        WriteDescriptor(json, ConfigType, ConfigDigest, Config.Length);
        json.WriteEndObject();
        json.WriteStartArray("layers");
        json.WriteStartObject();
        WriteDescriptor(json, LayerType, LayerDigest, LayerSize);
        json.WriteEndObject();
        json.WriteEndArray();
        WriteAnnotations(json);
    }

    private void WriteAnnotations(Utf8JsonWriter json)
    {
        json.WriteStartObject("annotations");
        foreach (var (key, value) in Annotations)
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static void WriteDescriptor(Utf8JsonWriter json, string type, string digest, long size)
    {
        json.WriteString("mediaType", type);
        json.WriteString("digest", digest);
        json.WriteNumber("size", size);
    }

    private static byte[] Write(Action<Utf8JsonWriter> content)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }
}
