using System.Text.Json;
using System.Text.Json.Serialization;

namespace k8s.Models;

/// <summary>A node.</summary>
[KubernetesEntity(Kind = "Node", PluralName = "nodes", Namespaced = false)]
public sealed record V1Node : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = "v1";

    /// <inheritdoc/>
    public string Kind { get; init; } = "Node";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec of the node.</summary>
    public V1NodeSpec? Spec { get; init; }

    /// <summary>status as its kubelet reports it.</summary>
    public V1NodeStatus? Status { get; init; }
}

/// <summary>What is wanted of a node.</summary>
public sealed record V1NodeSpec
{
    /// <summary>unschedulable is true on a cordoned node.</summary>
    public bool? Unschedulable { get; init; }

    /// <summary>taints keep pods away, or say what has become of the node.</summary>
    public IList<V1Taint>? Taints { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A mark that keeps pods away from a node.</summary>
public sealed record V1Taint
{
    /// <summary>key of the taint.</summary>
    public string Key { get; init; } = "";

    /// <summary>value of the taint.</summary>
    public string? Value { get; init; }

    /// <summary>effect: NoSchedule, PreferNoSchedule or NoExecute.</summary>
    public string Effect { get; init; } = "";
}

/// <summary>What a kubelet reports of its node.</summary>
public sealed record V1NodeStatus
{
    /// <summary>addresses of the node.</summary>
    public IList<V1NodeAddress>? Addresses { get; init; }

    /// <summary>conditions of the node.</summary>
    public IList<V1NodeCondition>? Conditions { get; init; }

    /// <summary>runtimeHandlers are those that its container runtime has; kubelets before 1.31 do not tell.</summary>
    public IList<V1NodeRuntimeHandler>? RuntimeHandlers { get; init; }

    /// <summary>nodeInfo says what runs on it.</summary>
    public V1NodeSystemInfo? NodeInfo { get; init; }

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A handler of a node's container runtime.</summary>
public sealed record V1NodeRuntimeHandler
{
    /// <summary>name of the handler; empty for the default one.</summary>
    public string Name { get; init; } = "";

    /// <summary>Fields that this client does not model, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>One address of a node.</summary>
public sealed record V1NodeAddress
{
    /// <summary>type, for example InternalIP.</summary>
    public string Type { get; init; } = "";

    /// <summary>address itself.</summary>
    public string Address { get; init; } = "";
}

/// <summary>A condition of a node.</summary>
public sealed record V1NodeCondition
{
    /// <summary>type, for example Ready.</summary>
    public string Type { get; init; } = "";

    /// <summary>status is True, False or Unknown.</summary>
    public string Status { get; init; } = "";

    /// <summary>reason, one word.</summary>
    public string? Reason { get; init; }

    /// <summary>message for people.</summary>
    public string? Message { get; init; }

    /// <summary>lastHeartbeatTime is when kubelet last said so.</summary>
    public DateTime? LastHeartbeatTime { get; init; }

    /// <summary>lastTransitionTime is when status last changed.</summary>
    public DateTime? LastTransitionTime { get; init; }
}

/// <summary>What runs on a node.</summary>
public sealed record V1NodeSystemInfo
{
    /// <summary>machineID of the node.</summary>
    [JsonPropertyName("machineID")]
    public string MachineID { get; init; } = "";

    /// <summary>systemUUID of the node.</summary>
    [JsonPropertyName("systemUUID")]
    public string SystemUUID { get; init; } = "";

    /// <summary>bootID of the node.</summary>
    [JsonPropertyName("bootID")]
    public string BootID { get; init; } = "";

    /// <summary>kernelVersion of the node.</summary>
    public string KernelVersion { get; init; } = "";

    /// <summary>osImage of the node.</summary>
    public string OsImage { get; init; } = "";

    /// <summary>containerRuntimeVersion, for example containerd://2.1.9.</summary>
    public string ContainerRuntimeVersion { get; init; } = "";

    /// <summary>kubeletVersion of the node.</summary>
    public string KubeletVersion { get; init; } = "";

    /// <summary>kubeProxyVersion of the node.</summary>
    public string KubeProxyVersion { get; init; } = "";

    /// <summary>operatingSystem of the node.</summary>
    public string OperatingSystem { get; init; } = "linux";

    /// <summary>architecture of the node.</summary>
    public string Architecture { get; init; } = "amd64";
}
