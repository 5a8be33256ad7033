using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>PodCheckpointContent is a pod checkpoint on the volume, bound to the PodCheckpoint that asked for it.</summary>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodCheckpointContent",
    PluralName = "podcheckpointcontents", Namespaced = false)]
[Called("pcpc", "lpm")]
[PrinterColumn("Namespace", ".spec.podCheckpointRef.namespace")]
[PrinterColumn("Checkpoint", ".spec.podCheckpointRef.name")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Policy", ".spec.deletionPolicy")]
[PrinterColumn("Size", ".status.size", "integer")]
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

    /// <summary>spec is what is wanted.</summary>
    [RequiredField]
    public PodCheckpointContentSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only.</summary>
    public PodCheckpointContentStatus? Status { get; init; }
}

/// <summary>ClaimReference points at a claim by name and uid.</summary>
public sealed record ClaimReference
{
    /// <summary>namespace of the claim.</summary>
    [RequiredField, JsonPropertyName("namespace"), Text(63, TextAttribute.Label)]
    public string NamespaceProperty { get; init; } = "";

    /// <summary>name of the claim.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName)]
    public string Name { get; init; } = "";

    /// <summary>uid of the claim: a name alone proves nothing.</summary>
    [Text(63, TextAttribute.Uid)]
    public string? Uid { get; init; }
}

/// <summary>CheckpointSource says what a checkpoint was made of.</summary>
public sealed record CheckpointSource
{
    /// <summary>podNamespace of the pod.</summary>
    [RequiredField, Text(63, TextAttribute.Label)]
    public string PodNamespace { get; init; } = "";

    /// <summary>podName of the pod.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName)]
    public string PodName { get; init; } = "";

    /// <summary>podUID of the pod.</summary>
    [RequiredField, JsonPropertyName("podUID"), Text(63, TextAttribute.Uid)]
    public string PodUID { get; init; } = "";

    /// <summary>nodeName that it ran on.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName)]
    public string NodeName { get; init; } = "";

    /// <summary>checkpointID on the volume.</summary>
    [RequiredField, JsonPropertyName("checkpointID"), Text(63, TextAttribute.Label)]
    public string CheckpointID { get; init; } = "";

    /// <summary>containerName, where the checkpoint is of one container.</summary>
    [Text(63, TextAttribute.Label)]
    public string? ContainerName { get; init; }
}

/// <summary>PodCheckpointContentSpec says which checkpoint it is, and whose. Written before any byte is.</summary>
public sealed record PodCheckpointContentSpec
{
    /// <summary>podCheckpointRef points back at the claim. The content may be used only while both point at each
    /// other, by uid. A person leaves the uid out, and the operator fills it in once.</summary>
    [RequiredField, Rule(
        "self == oldSelf || !has(self.uid) || "
        + "(!has(oldSelf.uid) && self.__namespace__ == oldSelf.__namespace__ && self.name == oldSelf.name)",
        "podCheckpointRef is bound by uid: to offer the content to another claim, leave the uid out")]
    public ClaimReference PodCheckpointRef { get; init; } = new();

    /// <summary>deletionPolicy says what happens to the bytes when the claim is deleted. May be changed.</summary>
    [RequiredField, OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string DeletionPolicy { get; init; } = DeletionPolicies.Delete;

    /// <summary>source says what was dumped. Immutable.</summary>
    [RequiredField, Immutable]
    public CheckpointSource Source { get; init; } = new();
}

/// <summary>PodCheckpointContentStatus says what stands on the volume. Written by the operator only.</summary>
public sealed record PodCheckpointContentStatus
{
    /// <summary>observedGeneration is the generation of the spec that this status is about.</summary>
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions: Ready, with the reason.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when the marker stands.</summary>
    public bool? Ready { get; init; }

    /// <summary>containerContents name the contents of the containers.</summary>
    [Items(256)]
    public IList<string>? ContainerContents { get; init; }

    /// <summary>artifactURI says where the checkpoint is: shared://podUID/checkpointID. Set once.</summary>
    [ImmutableOnceSet, Text(512, TextAttribute.PodArtifact), JsonPropertyName("artifactURI")]
    public string? ArtifactURI { get; init; }

    /// <summary>size on the volume, in bytes.</summary>
    public long? Size { get; init; }

    /// <summary>error says why it failed; absent while all is well.</summary>
    public CheckpointError? Error { get; init; }
}
