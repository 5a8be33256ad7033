using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>ContainerCheckpointContent is one container's artifact on the volume.</summary>
/// <remarks>The operator makes one per ContainerCheckpoint before the first byte is written, and records in it what a
/// restore must know. It stands for a container's memory: no namespace's role gives a right over it.</remarks>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "ContainerCheckpointContent",
    PluralName = "containercheckpointcontents", Namespaced = false)]
[Called("ccpc", "lpm")]
[PrinterColumn("Namespace", ".spec.containerCheckpointRef.namespace")]
[PrinterColumn("Checkpoint", ".spec.containerCheckpointRef.name")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Policy", ".spec.deletionPolicy")]
[PrinterColumn("Size", ".status.compressedSize", "integer")]
[PrinterColumn("Container", ".spec.source.containerName", priority: 1)]
[PrinterColumn("Node", ".spec.source.nodeName", priority: 1)]
[PrinterColumn("Image", ".status.imageReference", priority: 1)]
[PrinterColumn("CRIU", ".status.criuVersion", priority: 1)]
[PrinterColumn("Artifact", ".spec.artifactURI", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record ContainerCheckpointContent : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "ContainerCheckpointContent";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec says which artifact it is and whose. Required.</summary>
    [RequiredField]
    public ContainerCheckpointContentSpec Spec { get; init; } = new();

    /// <summary>status says what stands on the volume. Written by the operator only; absent until the artifact
    /// stands.</summary>
    public ContainerCheckpointContentStatus? Status { get; init; }
}

/// <summary>ContainerCheckpointContentSpec says which artifact it is, and whose. Written before any byte is.</summary>
[Rule(
    "has(self.source.containerName)", "source.containerName must be set: name the container that was dumped",
    "source.containerName")]
[Rule(
    "!has(self.source.containerName) || self.artifactURI == 'shared://' + self.source.podUID + '/' "
    + "+ self.source.checkpointID + '/' + self.source.containerName + '/dump.tar.zst'",
    "artifactURI must be shared://<podUID>/<checkpointID>/<containerName>/dump.tar.zst of the source", "artifactURI")]
public sealed record ContainerCheckpointContentSpec
{
    /// <summary>containerCheckpointRef points back at the claim, a ContainerCheckpoint. The artifact may be used only
    /// while both point at each other, by uid. A person leaves the uid out, and the operator
    /// fills it in once. Required.</summary>
    [RequiredField, Rule(
        "self == oldSelf || !has(self.uid) || "
        + "(!has(oldSelf.uid) && self.__namespace__ == oldSelf.__namespace__ && self.name == oldSelf.name)",
        "containerCheckpointRef is bound by uid: to offer the content to another claim, leave the uid out")]
    public ClaimReference ContainerCheckpointRef { get; init; } = new();

    /// <summary>deletionPolicy says what happens to the bytes when the claim is deleted: Delete removes them and this
    /// object, Retain leaves both. Required. May be changed.</summary>
    [RequiredField, OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string DeletionPolicy { get; init; } = DeletionPolicies.Delete;

    /// <summary>source says what was dumped, where and when; containerName must be set. Required, immutable.</summary>
    [RequiredField, Immutable]
    public CheckpointSource Source { get; init; } = new();

    /// <summary>artifactURI says where the artifact is or will be: shared://podUID/checkpointID/container/dump.tar.zst,
    /// the parts as in source. Required, immutable.</summary>
    [RequiredField, JsonPropertyName("artifactURI"), Text(512, TextAttribute.ContainerArtifact), Immutable]
    public string ArtifactURI { get; init; } = "";
}

/// <summary>ContainerCheckpointContentStatus says what stands on the volume. Written by the operator only.</summary>
[Rule(
    "!has(self.ready) || !self.ready || (has(self.compressedDigest) && has(self.compressedSize))",
    "ready needs compressedDigest and compressedSize", "ready")]
[Rule("!has(self.ready) || !self.ready || !has(self.error)", "ready and error exclude each other", "ready")]
public sealed record ContainerCheckpointContentStatus
{
    /// <summary>observedGeneration is the metadata.generation of the spec that this status is about.</summary>
    [Bounds(0)]
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions of the content: Ready, with the reason. Absent while the bound claim's conditions say it
    /// all.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when the artifact and its manifest are whole on the volume.</summary>
    public bool? Ready { get; init; }

    /// <summary>size is the size of the tar that the runtime wrote, in bytes. Set with ready.</summary>
    [Bounds(0)]
    public long? Size { get; init; }

    /// <summary>compressedSize is what the artifact takes on the volume, in bytes. Set with ready.</summary>
    [Bounds(0)]
    public long? CompressedSize { get; init; }

    /// <summary>digest is the SHA-256 of the tar that the runtime wrote: "sha256:" and 64 hexadecimal digits. Set once,
    /// with ready.</summary>
    [ImmutableOnceSet, Text(71, TextAttribute.Digest)]
    public string? Digest { get; init; }

    /// <summary>compressedDigest is the SHA-256 of the artifact as it lies on the volume, in the same form; a restore
    /// refuses bytes that do not match it. Set once, with ready.</summary>
    [ImmutableOnceSet, Text(71, TextAttribute.Digest)]
    public string? CompressedDigest { get; init; }

    /// <summary>imageReference is the image that the container ran, as the node's runtime names it.</summary>
    [Text(1024)]
    public string? ImageReference { get; init; }

    /// <summary>imageID is that image's id; a restore needs the same image.</summary>
    [JsonPropertyName("imageID"), Text(1024)]
    public string? ImageID { get; init; }

    /// <summary>runtime is the OCI runtime that dumped the container, crun or runc; a
    /// restore needs the same one.</summary>
    [Text(63)]
    public string? Runtime { get; init; }

    /// <summary>criuVersion is the version of CRIU that dumped the container, as far as the node tells it.</summary>
    [Text(63)]
    public string? CriuVersion { get; init; }

    /// <summary>leftStopped is true when the dump left the processes stopped, as a migration needs it; false when they
    /// went on.</summary>
    public bool? LeftStopped { get; init; }

    /// <summary>stoppedAt is the last instant at which the container certainly ran before the dump, by its node's
    /// clock.</summary>
    public DateTime? StoppedAt { get; init; }

    /// <summary>kubeletCallMicroseconds is how long kubelet's checkpoint call took, in microseconds.</summary>
    [Bounds(0)]
    public long? KubeletCallMicroseconds { get; init; }

    /// <summary>error says why the artifact cannot be used; absent while all is well.</summary>
    public CheckpointError? Error { get; init; }
}
