using System.Text.Json;
using System.Text.Json.Serialization;

namespace PodCheckpointing.Storage;

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

    /// <summary>architecture of the node: amd64, arm64, as Kubernetes names them.</summary>
    public string Architecture { get; init; } = "";

    /// <summary>cpuModel of the node, for people.</summary>
    public string CpuModel { get; init; } = "";

    /// <summary>cpuFeatures that the kernel reports: a process may use any that it found when it started.</summary>
    public IReadOnlyList<string> CpuFeatures { get; init; } = [];

    /// <summary>Fields of newer versions, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}
