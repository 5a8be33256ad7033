using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>CheckpointNode says of the node that has its name whether pods can be moved away from it and to it, and
/// what it lacks where they cannot.</summary>
/// <remarks>The operator makes one for each Node, asks the node's agent from time to time, and writes down what it has
/// answered; it goes with the Node. Nothing is decided by it: a migration asks both agents anew.</remarks>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "CheckpointNode",
    PluralName = "checkpointnodes", Namespaced = false)]
[Called("cpn", "lpm")]
[PrinterColumn("Ready", ".status.conditions[?(@.type==\"Ready\")].status")]
[PrinterColumn("Reason", ".status.conditions[?(@.type==\"Ready\")].reason")]
[PrinterColumn("Agent", ".status.agentVersion")]
[PrinterColumn("Runtime", ".status.runtimeVersion")]
[PrinterColumn("CRIU", ".status.criuVersion")]
[PrinterColumn("Kernel", ".status.kernelVersion")]
[PrinterColumn("Arch", ".status.architecture", priority: 1)]
[PrinterColumn("CPU", ".status.cpuVendor", priority: 1)]
[PrinterColumn("Volume", ".status.storeID", priority: 1)]
[PrinterColumn("Volume-Free", ".status.storeFreeBytes", "integer", priority: 1)]
[PrinterColumn("Staging-Free", ".status.stagingFreeBytes", "integer", priority: 1)]
[PrinterColumn("Message", ".status.conditions[?(@.type==\"Ready\")].message", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record CheckpointNode : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "CheckpointNode";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>status says what the node can do. Written by the operator only; absent until it has asked the node's
    /// agent.</summary>
    public CheckpointNodeStatus? Status { get; init; }
}

/// <summary>CheckpointNodeStatus says what the node can do, as its agent has last said it. Written by the operator
/// only, and only when something has changed.</summary>
[Rule(
    "!has(self.conditions) || !self.conditions.exists(c, c.type == 'Ready' && c.status == 'True') || "
        + "has(self.agentVersion)",
    "Ready needs an agent that has answered: agentVersion", "agentVersion")]
public sealed record CheckpointNodeStatus
{
    /// <summary>conditions of the node: Ready, which is True when pods can be moved away from it and to it. False: the
    /// message names all that it lacks, with what to do. Unknown: its agent does not answer.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>agentVersion is the version of the node's agent. Absent: it has never answered. This and all that
    /// follows is as it has last said it, also where it does not answer any more.</summary>
    [Text(253)]
    public string? AgentVersion { get; init; }

    /// <summary>runtimeVersion is the OCI runtime by which the node dumps and restores, and its version, as "crun
    /// 1.28". Both nodes of a migration need the same runtime.</summary>
    [Text(253)]
    public string? RuntimeVersion { get; init; }

    /// <summary>criuVersion is the version of CRIU. A pod does not move to a node whose CRIU is
    /// older. Absent: it has none.</summary>
    [Text(253)]
    public string? CriuVersion { get; init; }

    /// <summary>kernelVersion is the version of the kernel. A pod does not move to a
    /// node whose kernel is older.</summary>
    [Text(253)]
    public string? KernelVersion { get; init; }

    /// <summary>architecture of the processor, as Kubernetes names it. A pod moves to a node of the same one.</summary>
    [Text(63)]
    public string? Architecture { get; init; }

    /// <summary>cpuVendor is the maker of the processor, as the kernel names it. A pod moves to a node with a processor
    /// of the same maker.</summary>
    [Text(253)]
    public string? CpuVendor { get; init; }

    /// <summary>storeID is the identity that the checkpoint volume carries where the node has it mounted: all nodes see
    /// the same volume where all have the same storeID.</summary>
    [JsonPropertyName("storeID"), Text(253)]
    public string? StoreID { get; init; }

    /// <summary>storeFreeBytes is how much is free on the checkpoint volume, about: written when it has changed by more
    /// than a tenth, as the two that follow.</summary>
    [Bounds(0)]
    public long? StoreFreeBytes { get; init; }

    /// <summary>stagingFreeBytes is how much is free on the node's disk where checkpoints are laid ready for a restore,
    /// about.</summary>
    [Bounds(0)]
    public long? StagingFreeBytes { get; init; }

    /// <summary>archiveFreeBytes is how much is free on the node's disk where kubelet
    /// writes its archives, about.</summary>
    [Bounds(0)]
    public long? ArchiveFreeBytes { get; init; }
}
