using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>ContainerCheckpoint is the snapshot of one container, a part of a PodCheckpoint.</summary>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "ContainerCheckpoint",
    PluralName = "containercheckpoints", Namespaced = true)]
[Called("ccp", "lpm")]
[PrinterColumn("Pod", ".spec.podName")]
[PrinterColumn("Container", ".spec.containerName")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Size", ".status.size", "integer")]
[PrinterColumn("Content", ".status.boundContentName", priority: 1)]
[PrinterColumn("Artifact", ".status.artifactURI", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record ContainerCheckpoint : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "ContainerCheckpoint";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec is what is wanted.</summary>
    [RequiredField]
    public ContainerCheckpointSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only.</summary>
    public ContainerCheckpointStatus? Status { get; init; }
}

/// <summary>ContainerCheckpointSpec is what is wanted of a container's checkpoint.</summary>
public sealed record ContainerCheckpointSpec
{
    /// <summary>podName names the pod. Required, immutable.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName), Immutable]
    public string PodName { get; init; } = "";

    /// <summary>containerName names the container. Required, immutable.</summary>
    [RequiredField, Text(63, TextAttribute.Label), Immutable]
    public string ContainerName { get; init; } = "";

    /// <summary>podUID is the uid of the pod that is meant. Required, immutable.</summary>
    [RequiredField, JsonPropertyName("podUID"), Text(63, TextAttribute.Uid), Immutable]
    public string PodUID { get; init; } = "";

    /// <summary>checkpointID names the checkpoint on the volume. Required, immutable.</summary>
    [RequiredField, JsonPropertyName("checkpointID"), Text(63, TextAttribute.Label)]
    [Immutable]
    public string CheckpointID { get; init; } = "";

    /// <summary>deletionPolicy says what happens to the bytes when this object is deleted. May be changed. Absent: Delete.</summary>
    [OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string? DeletionPolicy { get; init; }
}

/// <summary>ContainerCheckpointStatus is what has become of a container's checkpoint. Written by the operator only.</summary>
/// <remarks>It repeats some of the content's: a namespaced user may not be allowed to read the content.</remarks>
public sealed record ContainerCheckpointStatus
{
    /// <summary>observedGeneration is the generation of the spec that this status is about.</summary>
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions: Ready, with the reason.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when the artifact is whole on the volume.</summary>
    public bool? Ready { get; init; }

    /// <summary>boundContentName names the ContainerCheckpointContent. Consumers must see that it points back by uid. Set
    /// once.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? BoundContentName { get; init; }

    /// <summary>artifactURI says where the artifact is.</summary>
    [Text(512), JsonPropertyName("artifactURI")]
    public string? ArtifactURI { get; init; }

    /// <summary>size of the artifact on the volume, in bytes.</summary>
    public long? Size { get; init; }

    /// <summary>digest of the artifact, "sha256:" and 64 hexadecimal digits.</summary>
    [Text(71, TextAttribute.Digest)]
    public string? Digest { get; init; }

    /// <summary>error says why it failed. A failed checkpoint stays failed.</summary>
    public CheckpointError? Error { get; init; }
}
