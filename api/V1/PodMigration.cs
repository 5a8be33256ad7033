using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>PodMigration moves a running pod to another node, where it goes on as it stood.</summary>
[KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodMigration", PluralName = "podmigrations", Namespaced = true)]
[Called("pmig", "lpm", "all")]
[PrinterColumn("Pod", ".spec.podName")]
[PrinterColumn("Source", ".status.sourceNode")]
[PrinterColumn("Target", ".status.targetNode")]
[PrinterColumn("Phase", ".status.phase")]
[PrinterColumn("Downtime-ms", ".status.downtimeMilliseconds", "integer")]
[PrinterColumn("Outcome", ".status.outcome", priority: 1)]
[PrinterColumn("Restored-Pod", ".status.restoredPodName", priority: 1)]
[PrinterColumn("Bytes", ".status.checkpointBytes", "integer", priority: 1)]
[PrinterColumn("Message", ".status.message", priority: 1)]
[PrinterColumn("Age", ".metadata.creationTimestamp", "date")]
public sealed record PodMigration : IKubernetesObject<V1ObjectMeta>
{
    /// <inheritdoc/>
    public string ApiVersion { get; init; } = ApiGroup.ApiVersion;

    /// <inheritdoc/>
    public string Kind { get; init; } = "PodMigration";

    /// <inheritdoc/>
    public V1ObjectMeta Metadata { get; init; } = new();

    /// <summary>spec is what is wanted.</summary>
    [RequiredField]
    public PodMigrationSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only.</summary>
    public PodMigrationStatus? Status { get; init; }
}

/// <summary>What is wanted of a migration.</summary>
public sealed record PodMigrationSpec
{
    /// <summary>podName names the pod to move, in the migration's own namespace. Required, immutable.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName), Rule("self == oldSelf", "podName is immutable")]
    public string PodName { get; init; } = "";

    /// <summary>targetNode names the node to move it to. Immutable. Absent: the operator chooses a ready node whose agent
    /// can restore, the one with the fewest pods.</summary>
    [Text(253, TextAttribute.ObjectName), Rule("self == oldSelf", "targetNode is immutable")]
    public string? TargetNode { get; init; }

    /// <summary>podUID pins the pod: a namesake with another uid is not migrated. Immutable. Absent: the pod of that name
    /// when the migration begins.</summary>
    [JsonPropertyName("podUID"), Text(63, TextAttribute.Uid), Rule("self == oldSelf", "podUID is immutable")]
    public string? PodUID { get; init; }

    /// <summary>tcpPolicy says what becomes of connected TCP sockets: Close closes them, so that the application
    /// reconnects; Established keeps them (not yet supported); Reject fails the migration while there are any.
    /// Immutable. Absent: Close.</summary>
    [OneOf(TcpPolicies.Close, TcpPolicies.Established, TcpPolicies.Reject)]
    [Rule("self == oldSelf", "tcpPolicy is immutable")]
    public string? TcpPolicy { get; init; }

    /// <summary>onFailure says what a failure does: Rollback lets the source go on; ColdStart and Leave are not yet
    /// supported. Absent: Rollback.</summary>
    [OneOf(OnFailurePolicies.Rollback, OnFailurePolicies.ColdStart, OnFailurePolicies.Leave)]
    public string? OnFailure { get; init; }

    /// <summary>timeoutSeconds bounds the migration up to its commit: what has not been restored by then is rolled
    /// back. Absent: 300.</summary>
    [Bounds(10, 86400)]
    public int? TimeoutSeconds { get; init; }

    /// <summary>abort asks to stop: before the commit the migration is rolled back, after it goes forward. Cannot be
    /// taken back.</summary>
    [Rule("!oldSelf || self", "abort cannot be taken back")]
    public bool? Abort { get; init; }

    /// <summary>checkpointRetention says what happens to the checkpoint after the migration: Delete removes it, Retain
    /// keeps the PodCheckpoint and its bytes. Absent: Delete.</summary>
    [OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string? CheckpointRetention { get; init; }
}

/// <summary>What has become of a migration.</summary>
public sealed record PodMigrationStatus
{
    /// <summary>observedGeneration is the generation of the spec that this status is about.</summary>
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions say how far the migration has come; each carries a reason and a message.</summary>
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>phase sums the conditions up for people: Pending, Checkpointing, Transferring, Restoring, Finalizing,
    /// Completed or Failed.</summary>
    public string? Phase { get; init; }

    /// <summary>message says in a sentence what goes on, or why it failed and what to do.</summary>
    public string? Message { get; init; }

    /// <summary>sourceNode is the node that the pod comes from.</summary>
    public string? SourceNode { get; init; }

    /// <summary>targetNode is the node that the pod goes to.</summary>
    public string? TargetNode { get; init; }

    /// <summary>podUID is the uid of the pod that is being moved.</summary>
    [JsonPropertyName("podUID")]
    public string? PodUID { get; init; }

    /// <summary>podCheckpointName names the PodCheckpoint in the same namespace.</summary>
    public string? PodCheckpointName { get; init; }

    /// <summary>restoredPodName names the pod on the target, in the same namespace.</summary>
    public string? RestoredPodName { get; init; }

    /// <summary>podAccessible says whether a copy of the pod runs.</summary>
    public bool? PodAccessible { get; init; }

    /// <summary>downtimeMilliseconds is the time in which no copy ran: from the last instant at which the source ran to
    /// the first at which the target did, the difference between the nodes' clocks taken out.</summary>
    public long? DowntimeMilliseconds { get; init; }

    /// <summary>checkpointBytes is the size of the checkpoint on the volume.</summary>
    public long? CheckpointBytes { get; init; }

    /// <summary>outcome says what became of the pod: Restored or RolledBack.</summary>
    public string? Outcome { get; init; }

    /// <summary>steps are the parts of the migration with their times.</summary>
    public IList<MigrationStep>? Steps { get; init; }

    /// <summary>startTime is when the migration began.</summary>
    public DateTime? StartTime { get; init; }

    /// <summary>completionTime is when it ended.</summary>
    public DateTime? CompletionTime { get; init; }
}

/// <summary>One part of a migration.</summary>
public sealed record MigrationStep
{
    /// <summary>name of the step.</summary>
    [RequiredField]
    public string Name { get; init; } = "";

    /// <summary>startedAt is when it began.</summary>
    public DateTime? StartedAt { get; init; }

    /// <summary>finishedAt is when it ended.</summary>
    public DateTime? FinishedAt { get; init; }

    /// <summary>message says what was found.</summary>
    public string? Message { get; init; }
}
