using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>ContainerCheckpointContent is one container's artifact on the volume.</summary>
[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "ContainerCheckpointContent", PluralName = "containercheckpointcontents", Namespaced = false)]
[Called("ccpc", "lpm")]
[PrinterColumn("Namespace", ".spec.containerCheckpointRef.namespace")]
[PrinterColumn("Checkpoint", ".spec.containerCheckpointRef.name")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Policy", ".spec.deletionPolicy")]
[PrinterColumn("Size", ".status.compressedSize", "integer")]
[PrinterColumn("Artifact", ".spec.artifactURI", priority: 1)]
[PrinterColumn("Image", ".status.imageReference", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record ContainerCheckpointContent : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "ContainerCheckpointContent";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec is what is wanted.</summary>
    [RequiredField]
    public ContainerCheckpointContentSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only.</summary>
    public ContainerCheckpointContentStatus? Status { get; init; }
}

/// <summary>Which artifact it is, and whose. Written by the operator only, before any byte is written.</summary>
public sealed record ContainerCheckpointContentSpec
{
    /// <summary>containerCheckpointRef points back at the claim. The artifact may be used only while both point at each
    /// other. Immutable.</summary>
    [RequiredField, Rule("self == oldSelf", "containerCheckpointRef is immutable")]
    public ClaimReference ContainerCheckpointRef { get; init; } = new();

    /// <summary>deletionPolicy says what happens to the bytes when the claim is deleted.</summary>
    [RequiredField, OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string DeletionPolicy { get; init; } = DeletionPolicies.Delete;

    /// <summary>source says what was dumped. Immutable.</summary>
    [RequiredField, Rule("self == oldSelf", "source is immutable")]
    public CheckpointSource Source { get; init; } = new();

    /// <summary>artifactURI says where the artifact will be:
    /// shared://podUID/checkpointID/container/dump.tar.zst. Immutable.</summary>
    [RequiredField, JsonPropertyName("artifactURI"), Text(512), Rule("self == oldSelf", "artifactURI is immutable")]
    public string ArtifactURI { get; init; } = "";
}

/// <summary>What stands on the volume.</summary>
public sealed record ContainerCheckpointContentStatus
{
    /// <summary>ready is true when artifact and manifest stand.</summary>
    public bool? Ready { get; init; }

    /// <summary>size of the runtime's tar, in bytes.</summary>
    public long? Size { get; init; }

    /// <summary>compressedSize is what it takes on the volume, in bytes.</summary>
    public long? CompressedSize { get; init; }

    /// <summary>digest of the artifact on the volume.</summary>
    public string? Digest { get; init; }

    /// <summary>imageReference is the image that the container ran.</summary>
    public string? ImageReference { get; init; }

    /// <summary>runtime that dumped it.</summary>
    public string? Runtime { get; init; }

    /// <summary>criuVersion that dumped it.</summary>
    public string? CriuVersion { get; init; }

    /// <summary>leftStopped is true when the dump left the processes stopped, as a migration needs it.</summary>
    public bool? LeftStopped { get; init; }

    /// <summary>stoppedAt is the last instant at which the container certainly ran, by its node's clock.</summary>
    public DateTime? StoppedAt { get; init; }

    /// <summary>kubeletCallMicroseconds is how long kubelet's call took.</summary>
    public long? KubeletCallMicroseconds { get; init; }
}
