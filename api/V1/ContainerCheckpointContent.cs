using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>ContainerCheckpointContent is one container's artifact on the volume.</summary>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "ContainerCheckpointContent",
    PluralName = "containercheckpointcontents", Namespaced = false)]
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

/// <summary>ContainerCheckpointContentSpec says which artifact it is, and whose. Written before any byte is.</summary>
[Rule("has(self.source.containerName)", "source.containerName must be set: name the container that was dumped")]
[Rule(
    "!has(self.source.containerName) || self.artifactURI == 'shared://' + self.source.podUID + '/' "
    + "+ self.source.checkpointID + '/' + self.source.containerName + '/dump.tar.zst'",
    "artifactURI must be shared://<podUID>/<checkpointID>/<containerName>/dump.tar.zst of the source")]
public sealed record ContainerCheckpointContentSpec
{
    /// <summary>containerCheckpointRef points back at the claim. The artifact may be used only while both point at each
    /// other, by uid. A person leaves the uid out, and the operator fills it in once.</summary>
    [RequiredField, Rule(
        "self == oldSelf || !has(self.uid) || "
        + "(!has(oldSelf.uid) && self.__namespace__ == oldSelf.__namespace__ && self.name == oldSelf.name)",
        "containerCheckpointRef is bound by uid: to offer the content to another claim, leave the uid out")]
    public ClaimReference ContainerCheckpointRef { get; init; } = new();

    /// <summary>deletionPolicy says what happens to the bytes when the claim is deleted. May be changed.</summary>
    [RequiredField, OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string DeletionPolicy { get; init; } = DeletionPolicies.Delete;

    /// <summary>source says what was dumped. Immutable.</summary>
    [RequiredField, Immutable]
    public CheckpointSource Source { get; init; } = new();

    /// <summary>artifactURI says where the artifact will be:
    /// shared://podUID/checkpointID/container/dump.tar.zst. Immutable.</summary>
    [RequiredField, JsonPropertyName("artifactURI"), Text(512, TextAttribute.ContainerArtifact), Immutable]
    public string ArtifactURI { get; init; } = "";
}

/// <summary>ContainerCheckpointContentStatus says what stands on the volume. Written by the operator only.</summary>
public sealed record ContainerCheckpointContentStatus
{
    /// <summary>observedGeneration is the generation of the spec that this status is about.</summary>
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions: Ready, with the reason.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when artifact and manifest stand.</summary>
    public bool? Ready { get; init; }

    /// <summary>size of the runtime's tar, in bytes.</summary>
    public long? Size { get; init; }

    /// <summary>compressedSize is what it takes on the volume, in bytes.</summary>
    public long? CompressedSize { get; init; }

    /// <summary>digest of the runtime's tar, "sha256:" and 64 hexadecimal digits. Set once.</summary>
    [ImmutableOnceSet, Text(71, TextAttribute.Digest)]
    public string? Digest { get; init; }

    /// <summary>compressedDigest of the artifact as it lies on the volume. Set once.</summary>
    [ImmutableOnceSet, Text(71, TextAttribute.Digest)]
    public string? CompressedDigest { get; init; }

    /// <summary>imageReference is the image that the container ran, as the runtime names it.</summary>
    [Text(1024)]
    public string? ImageReference { get; init; }

    /// <summary>imageID is that image's id; a restore needs the same one.</summary>
    [JsonPropertyName("imageID"), Text(1024)]
    public string? ImageID { get; init; }

    /// <summary>runtime that dumped it, crun or runc; a restore needs the same one.</summary>
    [Text(63)]
    public string? Runtime { get; init; }

    /// <summary>criuVersion that dumped it.</summary>
    [Text(63)]
    public string? CriuVersion { get; init; }

    /// <summary>leftStopped is true when the dump left the processes stopped, as a migration needs it.</summary>
    public bool? LeftStopped { get; init; }

    /// <summary>stoppedAt is the last instant at which the container certainly ran, by its node's clock.</summary>
    public DateTime? StoppedAt { get; init; }

    /// <summary>kubeletCallMicroseconds is how long kubelet's call took.</summary>
    public long? KubeletCallMicroseconds { get; init; }

    /// <summary>error says why it failed; absent while all is well.</summary>
    public CheckpointError? Error { get; init; }
}
