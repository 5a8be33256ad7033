using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>PodCheckpointContent is a pod checkpoint on the volume, bound to the
/// PodCheckpoint that asked for it.</summary>
/// <remarks>The operator makes one per PodCheckpoint before the first byte is written. An administrator may make one by
/// hand for bytes that were retained, and so offer them to a PodCheckpoint that imports it. It holds a pod's memory:
/// no namespace's role gives a right over it.</remarks>
[Rule(
    "!has(self.status) || !has(self.status.artifactURI) || self.status.artifactURI == 'shared://' + "
    + "self.spec.source.podUID + '/' + self.spec.source.checkpointID",
    "status.artifactURI must be shared://<podUID>/<checkpointID> of the source")]
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodCheckpointContent",
    PluralName = "podcheckpointcontents", Namespaced = false)]
[Called("pcpc", "lpm")]
[PrinterColumn("Namespace", ".spec.podCheckpointRef.namespace")]
[PrinterColumn("Checkpoint", ".spec.podCheckpointRef.name")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Policy", ".spec.deletionPolicy")]
[PrinterColumn("Size", ".status.size", "integer")]
[PrinterColumn("Pod", ".spec.source.podName", priority: 1)]
[PrinterColumn("Node", ".spec.source.nodeName", priority: 1)]
[PrinterColumn("Artifact", ".status.artifactURI", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record PodCheckpointContent : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "PodCheckpointContent";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec says which checkpoint it is and whose. Required.</summary>
    [RequiredField]
    public PodCheckpointContentSpec Spec { get; init; } = new();

    /// <summary>status says what stands on the volume. Written by the operator only; absent until it has seen the
    /// object.</summary>
    public PodCheckpointContentStatus? Status { get; init; }
}

/// <summary>ClaimReference points at a claim by name and uid.</summary>
public sealed record ClaimReference
{
    /// <summary>namespace of the claim. Required.</summary>
    [RequiredField, JsonPropertyName("namespace"), Text(63, TextAttribute.Label)]
    public string NamespaceProperty { get; init; } = "";

    /// <summary>name of the claim. Required.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName)]
    public string Name { get; init; } = "";

    /// <summary>uid of the claim: a name alone proves nothing. Set once by the operator, when the claim is bound.
    /// Absent: the content is offered to the first claim of that name that asks for it.</summary>
    [Text(63, TextAttribute.Uid)]
    public string? Uid { get; init; }
}

/// <summary>CheckpointSource says what a checkpoint was made of.</summary>
public sealed record CheckpointSource
{
    /// <summary>podNamespace is the namespace of the pod that was dumped. Required.</summary>
    [RequiredField, Text(63, TextAttribute.Label)]
    public string PodNamespace { get; init; } = "";

    /// <summary>podName is the name of the pod that was dumped. Required.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName)]
    public string PodName { get; init; } = "";

    /// <summary>podUID is the uid of the pod that was dumped, the first part of the artifact's URI. Required.</summary>
    [RequiredField, JsonPropertyName("podUID"), Text(63, TextAttribute.Uid)]
    public string PodUID { get; init; } = "";

    /// <summary>nodeName is the node on which the pod ran, whose agent is asked first
    /// about the bytes. Required.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName)]
    public string NodeName { get; init; } = "";

    /// <summary>checkpointID names the checkpoint on the volume, as 20261121t003412z-7f3a9c, the second part of the
    /// artifact's URI. Required.</summary>
    [RequiredField, JsonPropertyName("checkpointID"), Text(63, TextAttribute.CheckpointId)]
    public string CheckpointID { get; init; } = "";

    /// <summary>containerName is the container that was dumped. Absent: the checkpoint is of a whole pod.</summary>
    [Text(63, TextAttribute.Label)]
    public string? ContainerName { get; init; }
}

/// <summary>PodCheckpointContentSpec says which checkpoint it is, and whose. Written before any byte is.</summary>
[Rule(
    "!has(self.source.containerName)", "source.containerName must be absent: the content is of a whole pod",
    "source.containerName")]
public sealed record PodCheckpointContentSpec
{
    /// <summary>podCheckpointRef points back at the claim, a PodCheckpoint. The content may be used only while both
    /// point at each other, by uid. A person leaves the uid out, and the operator fills it in once. Required.</summary>
    [RequiredField, Rule(
        "self == oldSelf || !has(self.uid) || "
        + "(!has(oldSelf.uid) && self.__namespace__ == oldSelf.__namespace__ && self.name == oldSelf.name)",
        "podCheckpointRef is bound by uid: to offer the content to another claim, leave the uid out")]
    public ClaimReference PodCheckpointRef { get; init; } = new();

    /// <summary>deletionPolicy says what happens to the bytes when the claim is deleted: Delete removes them and this
    /// object, Retain leaves both. Required. May be changed.</summary>
    [RequiredField, OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string DeletionPolicy { get; init; } = DeletionPolicies.Delete;

    /// <summary>source says what was dumped, where and when. Required, immutable.</summary>
    [RequiredField, Immutable]
    public CheckpointSource Source { get; init; } = new();
}

/// <summary>PodCheckpointContentStatus says what stands on the volume. Written by the operator only.</summary>
[Rule("!has(self.ready) || !self.ready || has(self.artifactURI)", "ready needs artifactURI", "ready")]
[Rule("!has(self.ready) || !self.ready || !has(self.error)", "ready and error exclude each other", "ready")]
public sealed record PodCheckpointContentStatus
{
    /// <summary>observedGeneration is the metadata.generation of the spec that this status is about.</summary>
    [Bounds(0)]
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions of the content: Bound, whether a claim and it point at each other, and Ready, each with the
    /// reason.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when the checkpoint is sealed on the volume: its marker, the
    /// last byte written, stands.</summary>
    public bool? Ready { get; init; }

    /// <summary>containers are the names of the containers in the checkpoint. Set with ready.</summary>
    [Items(256)]
    public IList<string>? Containers { get; init; }

    /// <summary>volumes are the names of the emptyDir volumes whose content is in the
    /// checkpoint. Set with ready.</summary>
    [Items(256)]
    public IList<string>? Volumes { get; init; }

    /// <summary>containerContents name the ContainerCheckpointContents of the checkpoint's containers. Set with
    /// ready; absent for a content that was made by hand.</summary>
    [Items(256)]
    public IList<string>? ContainerContents { get; init; }

    /// <summary>artifactURI says where the checkpoint is: shared://podUID/checkpointID. Set once, with ready.</summary>
    [ImmutableOnceSet, Text(512, TextAttribute.PodArtifact), JsonPropertyName("artifactURI")]
    public string? ArtifactURI { get; init; }

    /// <summary>size is what the checkpoint takes on the volume, in bytes, compressed, all containers together. Set
    /// with ready.</summary>
    [Bounds(0)]
    public long? Size { get; init; }

    /// <summary>error says why the content cannot be used; absent while all is well.</summary>
    public CheckpointError? Error { get; init; }
}
