using System.Text.Json;
using System.Text.Json.Serialization;

namespace PodCheckpointing.Storage;

/// <summary>What a container's artifact is; stands beside it as manifest.json.</summary>
public sealed record ContainerManifest
{
    /// <summary>The version of this layout that we write and read.</summary>
    public const int CurrentVersion = 1;

    /// <summary>schemaVersion of the file.</summary>
    public int SchemaVersion { get; init; } = CurrentVersion;

    /// <summary>podUID, the first folder.</summary>
    public string PodUID { get; init; } = "";

    /// <summary>checkpointID, the second folder.</summary>
    public string CheckpointID { get; init; } = "";

    /// <summary>container, the third folder.</summary>
    public string Container { get; init; } = "";

    /// <summary>size of the tar, in bytes.</summary>
    public long Size { get; init; }

    /// <summary>digest of the tar, "sha256:hex".</summary>
    public string Digest { get; init; } = "";

    /// <summary>compressedSize of dump.tar.zst, in bytes.</summary>
    public long CompressedSize { get; init; }

    /// <summary>compressedDigest of dump.tar.zst, "sha256:hex".</summary>
    public string CompressedDigest { get; init; } = "";

    /// <summary>frames of dump.tar.zst, in order.</summary>
    public IReadOnlyList<Frame> Frames { get; init; } = [];

    /// <summary>origin says what was dumped, and where.</summary>
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
public sealed record Frame(int Size, int CompressedSize);

/// <summary>What was dumped, and where.</summary>
public sealed record Origin
{
    /// <summary>podNamespace of the pod: only pods of it may restore the checkpoint.</summary>
    public string PodNamespace { get; init; } = "";

    /// <summary>podName of the pod.</summary>
    public string PodName { get; init; } = "";

    /// <summary>nodeName that it ran on.</summary>
    public string NodeName { get; init; } = "";

    /// <summary>imageReference that the container ran.</summary>
    public string ImageReference { get; init; } = "";

    /// <summary>imageID of that image.</summary>
    public string ImageID { get; init; } = "";

    /// <summary>runtime and its version.</summary>
    public string Runtime { get; init; } = "";

    /// <summary>criuVersion that dumped.</summary>
    public string CriuVersion { get; init; } = "";

    /// <summary>kernelVersion of the node.</summary>
    public string KernelVersion { get; init; } = "";

    /// <summary>tcpPolicy of the dump; the restore needs the same.</summary>
    public string TcpPolicy { get; init; } = "";

    /// <summary>leftStopped is true when the dump left the processes stopped.</summary>
    public bool LeftStopped { get; init; }

    /// <summary>stoppedAt is an instant just before the dump, by the node's clock.</summary>
    public DateTime StoppedAt { get; init; }

    /// <summary>kubeletCallMicroseconds is how long kubelet took.</summary>
    public long KubeletCallMicroseconds { get; init; }
}

/// <summary>The marker's content: every container's manifest by its digest.</summary>
public sealed record CheckpointMarker
{
    /// <summary>schemaVersion of the file.</summary>
    public int SchemaVersion { get; init; } = ContainerManifest.CurrentVersion;

    /// <summary>manifests, digests by container.</summary>
    public IReadOnlyDictionary<string, string> Manifests { get; init; } = new Dictionary<string, string>();
}

/// <summary>An artifact that is not what its manifest says, or no checkpoint at all.</summary>
public sealed class CorruptArtifactException(string message, Exception? inner = null) : Exception(message, inner);
