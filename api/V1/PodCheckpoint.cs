using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>PodCheckpoint is a snapshot of a running pod: of all its containers, or of none.</summary>
/// <remarks>The user creates one to have a pod dumped while it goes on running, or to import a content that was
/// retained. A migration makes its own. It is taken once: a failed one stays failed, and another snapshot is another
/// object. Each container stands still while it is dumped; one that would for longer than its own liveness probe waits
/// is not, and so the checkpoint fails. A pod that has connected TCP sockets cannot be snapshot, for it goes on with
/// them; a migration can close or keep them. Example: kubectl wait --for=condition=Ready podcheckpoint/x. To restore
/// it, any number of times and on any node, create in its namespace a pod with the same containers and images,
/// runtimeClassName checkpoint-restore, and the annotation io.kubernetes.cri-o.checkpoint-restore:
/// shared://PODUID/CHECKPOINTID, both as in status.</remarks>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodCheckpoint",
    PluralName = "podcheckpoints", Namespaced = true)]
[Called("pcp", "lpm")]
[PrinterColumn("Pod", ".spec.podName")]
[PrinterColumn("Node", ".status.nodeName")]
[PrinterColumn("Ready", ".status.ready", "boolean")]
[PrinterColumn("Reason", ".status.conditions[?(@.type==\"Ready\")].reason")]
[PrinterColumn("Size", ".status.size", "integer")]
[PrinterColumn("Policy", ".spec.deletionPolicy", priority: 1)]
[PrinterColumn("Content", ".status.boundContentName", priority: 1)]
[PrinterColumn("Checkpoint-ID", ".status.checkpointID", priority: 1)]
[PrinterColumn("Message", ".status.conditions[?(@.type==\"Ready\")].message", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record PodCheckpoint : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "PodCheckpoint";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec is what the user wants. Required. Only deletionPolicy may change after creation.</summary>
    [RequiredField]
    public PodCheckpointSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only; absent until it has
    /// seen the object.</summary>
    public PodCheckpointStatus? Status { get; init; }
}

/// <summary>PodCheckpointSpec is what the user wants: a pod to be dumped, or a content to be imported.</summary>
[Rule(
    "has(self.podName) != has(self.podCheckpointContentName)",
    "exactly one of podName and podCheckpointContentName must be set")]
[Rule("!has(self.podUID) || has(self.podName)", "podUID goes with podName only", "podUID")]
public sealed record PodCheckpointSpec
{
    /// <summary>podName names the pod to dump, in the checkpoint's own namespace. It must run. Immutable. Absent: an
    /// existing content is imported.</summary>
    [Text(253, TextAttribute.ObjectName), Immutable]
    public string PodName { get; init; } = "";

    /// <summary>podCheckpointContentName names an existing PodCheckpointContent to import instead of dumping a pod. It
    /// must name this object in its podCheckpointRef; its checkpoint may come from another namespace. Immutable.
    /// Absent: a pod is dumped.</summary>
    [Text(253, TextAttribute.ObjectName), Immutable]
    public string? PodCheckpointContentName { get; init; }

    /// <summary>podUID pins the pod: a namesake with another uid is not dumped (reason SourcePodReplaced). Goes with
    /// podName only. Immutable. Absent: the pod that has the name when the checkpoint begins.</summary>
    [JsonPropertyName("podUID"), Text(63, TextAttribute.Uid), Immutable]
    public string? PodUID { get; init; }

    /// <summary>deletionPolicy says what happens to the bytes when this object is deleted: Delete removes them and
    /// their contents, Retain leaves both, to be imported again. May be changed. Absent: Delete.</summary>
    [OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string? DeletionPolicy { get; init; }
}

/// <summary>PodCheckpointStatus is what has become of a checkpoint. Written by the operator only.</summary>
/// <remarks>It repeats some of the content's: a namespaced user may not be allowed to read the content.</remarks>
[Rule(
    "!has(self.ready) || !self.ready || (has(self.checkpointID) && has(self.boundContentName))",
    "ready needs checkpointID and boundContentName", "ready")]
[Rule("!has(self.ready) || !self.ready || !has(self.error)", "ready and error exclude each other", "ready")]
[Rule("!has(oldSelf.error) || has(self.error)", "error stays: a failed checkpoint is not tried again", "error")]
public sealed record PodCheckpointStatus
{
    /// <summary>observedGeneration is the metadata.generation of the spec that this status is about.</summary>
    [Bounds(0)]
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions of the checkpoint: Ready, True with reason CheckpointCompleted when it is whole; False with
    /// Pending or CheckpointInProgress on the way, and with the reason of status.error when it failed.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>ready is true when the checkpoint is whole on the volume and may be restored from. Never before
    /// boundContentName.</summary>
    public bool? Ready { get; init; }

    /// <summary>boundContentName names the PodCheckpointContent that holds the checkpoint. Whoever uses it must see
    /// that it points back by uid. Set once, when the content has been created.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? BoundContentName { get; init; }

    /// <summary>checkpointID names the checkpoint on the volume: UTC time, a dash and six characters, as
    /// 20261121t003412z-7f3a9c. Chosen once, before anything is written, so that a retry
    /// goes on with the same one.</summary>
    [ImmutableOnceSet, Text(63, TextAttribute.CheckpointId), JsonPropertyName("checkpointID")]
    public string? CheckpointID { get; init; }

    /// <summary>podUID is the uid of the pod that is dumped. Set once, with checkpointID.</summary>
    [ImmutableOnceSet, Text(63), JsonPropertyName("podUID")]
    public string? PodUID { get; init; }

    /// <summary>nodeName is the node on which the pod runs, and by whose agent it is dumped. Set once, with
    /// checkpointID.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? NodeName { get; init; }

    /// <summary>containers are the names of the containers in the checkpoint: all of the pod's, sidecars (init
    /// containers with restartPolicy Always) included; init containers that are done and ephemeral containers are left
    /// out. Set with checkpointID.</summary>
    [Items(256)]
    public IList<string>? Containers { get; init; }

    /// <summary>volumes are the names of the pod's emptyDir volumes whose content is in the checkpoint. A checkpoint
    /// that a migration has made has all of them; one of a pod that runs on has none.</summary>
    [Items(256)]
    public IList<string>? Volumes { get; init; }

    /// <summary>size is what the checkpoint takes on the volume, in bytes, compressed, all containers together. Set
    /// when it is ready.</summary>
    [Bounds(0)]
    public long? Size { get; init; }

    /// <summary>creationTime is when the checkpoint became whole, by the operator's
    /// clock. Set once, with ready.</summary>
    [ImmutableOnceSet]
    public DateTime? CreationTime { get; init; }

    /// <summary>error says why the checkpoint failed; absent while all is well. It stays: create another PodCheckpoint
    /// to try again.</summary>
    public CheckpointError? Error { get; init; }
}

/// <summary>CheckpointError says why a checkpoint failed.</summary>
public sealed record CheckpointError
{
    /// <summary>time of the failure, by the operator's clock.</summary>
    public DateTime? Time { get; init; }

    /// <summary>reason in one CamelCase word, the same as in the condition Ready; see the page of reasons.</summary>
    [Text(63, TextAttribute.Word)]
    public string? Reason { get; init; }

    /// <summary>message says in a sentence what happened and what to do.</summary>
    [Text(32768)]
    public string? Message { get; init; }
}
