using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>ContainerCheckpoint is the snapshot of one container, a part of a PodCheckpoint.</summary>
/// <remarks>The operator makes one per container of a PodCheckpoint, and removes them with it. Users read them to see
/// how far each container is, and do not write them.</remarks>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "ContainerCheckpoint",
    PluralName = "containercheckpoints", Namespaced = true)]
[Called("ccp", "lpm")]
[PrinterColumn("Pod", ".spec.podName")]
[PrinterColumn("Container", ".spec.containerName")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Reason", ".status.conditions[?(@.type==\"Ready\")].reason")]
[PrinterColumn("Size", ".status.size", "integer")]
[PrinterColumn("Content", ".status.boundContentName", priority: 1)]
[PrinterColumn("Artifact", ".status.artifactURI", priority: 1)]
[PrinterColumn("Message", ".status.conditions[?(@.type==\"Ready\")].message", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record ContainerCheckpoint : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "ContainerCheckpoint";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec says which container of which pod is dumped, under which id. Required. Only deletionPolicy may
    /// change after creation.</summary>
    [RequiredField]
    public ContainerCheckpointSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only; absent until it has
    /// seen the object.</summary>
    public ContainerCheckpointStatus? Status { get; init; }
}

/// <summary>ContainerCheckpointSpec says which container of which pod is dumped, under which id.</summary>
public sealed record ContainerCheckpointSpec
{
    /// <summary>podName names the pod, in the checkpoint's own namespace. Required, immutable.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName), Immutable]
    public string PodName { get; init; } = "";

    /// <summary>containerName names the container in that pod. Required, immutable.</summary>
    [RequiredField, Text(63, TextAttribute.Label), Immutable]
    public string ContainerName { get; init; } = "";

    /// <summary>podUID is the uid of the pod that is meant: a namesake with another uid is not dumped (reason
    /// SourcePodReplaced). Required, immutable.</summary>
    [RequiredField, JsonPropertyName("podUID"), Text(63, TextAttribute.Uid), Immutable]
    public string PodUID { get; init; } = "";

    /// <summary>checkpointID names the checkpoint on the volume, as 20261121t003412z-7f3a9c; the containers of one
    /// PodCheckpoint share it. Required, immutable.</summary>
    [RequiredField, JsonPropertyName("checkpointID"), Text(63, TextAttribute.CheckpointId)]
    [Immutable]
    public string CheckpointID { get; init; } = "";

    /// <summary>deletionPolicy says what happens to the bytes when this object is deleted: Delete removes them and
    /// their content, Retain leaves both. May be changed. Absent: Delete.</summary>
    [OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string? DeletionPolicy { get; init; }
}

/// <summary>ContainerCheckpointStatus is what has become of a container's checkpoint.
/// Written by the operator only.</summary>
/// <remarks>It repeats some of the content's: a namespaced user may not be allowed to read the content.</remarks>
[Rule(
    "!has(self.ready) || !self.ready || (has(self.boundContentName) && has(self.artifactURI))",
    "ready needs boundContentName and artifactURI", "ready")]
[Rule("!has(self.ready) || !self.ready || !has(self.error)", "ready and error exclude each other", "ready")]
[Rule("!has(oldSelf.error) || has(self.error)", "error stays: a failed checkpoint is not tried again", "error")]
public sealed record ContainerCheckpointStatus
{
    /// <summary>observedGeneration is the metadata.generation of the spec that this status is about.</summary>
    [Bounds(0)]
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions of the checkpoint: Ready, True with reason CheckpointCompleted when the artifact is whole;
    /// False with CheckpointInProgress on the way, and with the reason of status.error when it failed.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when the artifact and its manifest are whole on the volume.
    /// Never before artifactURI.</summary>
    public bool? Ready { get; init; }

    /// <summary>boundContentName names the ContainerCheckpointContent that holds the artifact. Whoever uses it must see
    /// that it points back by uid. Set once, when the content has been created.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? BoundContentName { get; init; }

    /// <summary>artifactURI says where the artifact is: shared://podUID/checkpointID/container/dump.tar.zst. Set once,
    /// with ready.</summary>
    [ImmutableOnceSet, Text(512, TextAttribute.ContainerArtifact), JsonPropertyName("artifactURI")]
    public string? ArtifactURI { get; init; }

    /// <summary>size is what the artifact takes on the volume, in bytes, compressed. Set with ready.</summary>
    [Bounds(0)]
    public long? Size { get; init; }

    /// <summary>uncompressedSize is the size of the tar that the runtime wrote, in bytes. Set with ready.</summary>
    [Bounds(0)]
    public long? UncompressedSize { get; init; }

    /// <summary>digest is the SHA-256 of the artifact as it lies on the volume: "sha256:" and 64 hexadecimal digits.
    /// Set once, with ready.</summary>
    [ImmutableOnceSet, Text(71, TextAttribute.Digest)]
    public string? Digest { get; init; }

    /// <summary>uncompressedDigest is the SHA-256 of the tar that the runtime wrote, in the same form. Set once, with
    /// ready.</summary>
    [ImmutableOnceSet, Text(71, TextAttribute.Digest)]
    public string? UncompressedDigest { get; init; }

    /// <summary>error says why the checkpoint failed; absent while all is well. It stays.</summary>
    public CheckpointError? Error { get; init; }
}
