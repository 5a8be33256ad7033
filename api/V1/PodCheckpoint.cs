using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>PodCheckpoint is a snapshot of a running pod: of all its containers, or of none.</summary>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodCheckpoint",
    PluralName = "podcheckpoints", Namespaced = true)]
[Called("pcp", "lpm", "all")]
[PrinterColumn("Pod", ".spec.podName")]
[PrinterColumn("Node", ".status.nodeName")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Size", ".status.size", "integer")]
[PrinterColumn("Content", ".status.boundContentName", priority: 1)]
[PrinterColumn("Checkpoint-ID", ".status.checkpointID", priority: 1)]
[PrinterColumn("Error", ".status.error.message", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record PodCheckpoint : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "PodCheckpoint";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec is what is wanted.</summary>
    [RequiredField]
    public PodCheckpointSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only.</summary>
    public PodCheckpointStatus? Status { get; init; }
}

/// <summary>PodCheckpointSpec is what is wanted: a pod to be dumped, or a content to be imported.</summary>
[Rule(
    "has(self.podName) != has(self.podCheckpointContentName)",
    "exactly one of podName and podCheckpointContentName must be set")]
[Rule("!has(self.podUID) || has(self.podName)", "podUID goes with podName only")]
public sealed record PodCheckpointSpec
{
    /// <summary>podName names the pod to dump, in the checkpoint's own namespace. Immutable. Absent: an
    /// existing content is imported.</summary>
    [Text(253, TextAttribute.ObjectName), Immutable]
    public string PodName { get; init; } = "";

    /// <summary>podCheckpointContentName names an existing PodCheckpointContent to import instead of dumping a pod (not yet
    /// supported). It must name this object in its podCheckpointRef. Immutable.</summary>
    [Text(253, TextAttribute.ObjectName), Immutable]
    public string? PodCheckpointContentName { get; init; }

    /// <summary>podUID pins the pod: a namesake with another uid is not dumped. Immutable. Absent: the pod of that name
    /// when the checkpoint begins.</summary>
    [JsonPropertyName("podUID"), Text(63, TextAttribute.Uid), Immutable]
    public string? PodUID { get; init; }

    /// <summary>deletionPolicy says what happens to the bytes when this object is deleted: Delete removes them, Retain
    /// leaves them and their content. May be changed. Absent: Delete.</summary>
    [OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string? DeletionPolicy { get; init; }
}

/// <summary>PodCheckpointStatus is what has become of a checkpoint. Written by the operator only.</summary>
/// <remarks>It repeats some of the content's: a namespaced user may not be allowed to read the content.</remarks>
public sealed record PodCheckpointStatus
{
    /// <summary>observedGeneration is the generation of the spec that this status is about.</summary>
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions: Ready, with the reason.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when the checkpoint is whole on the volume.</summary>
    public bool? Ready { get; init; }

    /// <summary>boundContentName names the PodCheckpointContent. Consumers must see that it points back by uid. Set
    /// once.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? BoundContentName { get; init; }

    /// <summary>checkpointID names the checkpoint on the volume. Chosen once, before anything is written.</summary>
    [ImmutableOnceSet, Text(63, TextAttribute.Label), JsonPropertyName("checkpointID")]
    public string? CheckpointID { get; init; }

    /// <summary>podUID is the uid of the pod that was dumped. Set once.</summary>
    [ImmutableOnceSet, Text(63), JsonPropertyName("podUID")]
    public string? PodUID { get; init; }

    /// <summary>nodeName is the node that it ran on.</summary>
    [Text(253)]
    public string? NodeName { get; init; }

    /// <summary>containers are the names of the containers in the checkpoint.</summary>
    [Items(256)]
    public IList<string>? Containers { get; init; }

    /// <summary>size is what the checkpoint takes on the volume, in bytes.</summary>
    public long? Size { get; init; }

    /// <summary>creationTime is when the checkpoint became whole.</summary>
    public DateTime? CreationTime { get; init; }

    /// <summary>error says why it failed. A failed checkpoint stays failed.</summary>
    public CheckpointError? Error { get; init; }
}

/// <summary>CheckpointError says why a checkpoint failed.</summary>
public sealed record CheckpointError
{
    /// <summary>time of the failure.</summary>
    public DateTime? Time { get; init; }

    /// <summary>reason, one CamelCase word.</summary>
    [Text(63)]
    public string? Reason { get; init; }

    /// <summary>message says what happened and what to do.</summary>
    [Text(32768)]
    public string? Message { get; init; }
}
