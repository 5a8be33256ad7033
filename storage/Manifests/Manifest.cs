using System.Text.Json;
using System.Text.Json.Serialization;

namespace PodCheckpointing.Storage;

/// <summary>What a container's artifact is; stands beside it as manifest.json.</summary>
public sealed record ContainerManifest
{
    /// <summary>The version of this layout that we write and read.</summary>
    public const int CurrentVersion = 1;

    /// <summary>schemaVersion of the file.</summary>
    [JsonRequired]
    public int SchemaVersion { get; init; } = CurrentVersion;

    /// <summary>podUID, the first folder.</summary>
    [JsonRequired]
    public string PodUID { get; init; } = "";

    /// <summary>checkpointID, the second folder.</summary>
    [JsonRequired]
    public string CheckpointID { get; init; } = "";

    /// <summary>container, the third folder.</summary>
    [JsonRequired]
    public string Container { get; init; } = "";

    /// <summary>size of the tar, in bytes.</summary>
    [JsonRequired]
    public long Size { get; init; }

    /// <summary>digest of the tar, "sha256:hex".</summary>
    [JsonRequired]
    public string Digest { get; init; } = "";

    /// <summary>compressedSize of dump.tar.zst, in bytes.</summary>
    [JsonRequired]
    public long CompressedSize { get; init; }

    /// <summary>compressedDigest of dump.tar.zst, "sha256:hex".</summary>
    [JsonRequired]
    public string CompressedDigest { get; init; } = "";

    /// <summary>frames of dump.tar.zst, in order.</summary>
    [JsonRequired]
    public IReadOnlyList<Frame> Frames { get; init; } = [];

    /// <summary>entries of the tar.</summary>
    public int Entries { get; init; }

    /// <summary>dump is what the archive says of itself; absent where it says nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DumpDescription? Dump { get; init; }

    /// <summary>criu is what CRIU measured; absent where the archive has no stats-dump.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public CriuStatistics? Criu { get; init; }

    /// <summary>origin says what was dumped, and where.</summary>
    [JsonRequired]
    public Origin Origin { get; init; } = new();

    /// <summary>createdAt is when the artifact was finished.</summary>
    public DateTime CreatedAt { get; init; }

    /// <summary>Fields of newer versions, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>One independent zstd frame.</summary>
/// <param name="Size">Bytes of the tar in it.</param>
/// <param name="CompressedSize">Bytes in the file.</param>
public sealed record Frame(int Size, int CompressedSize)
{
    /// <summary>Fields of newer versions, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}
