using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>PodMigration moves a running pod to another node, where it goes on as it stood.</summary>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodMigration",
    PluralName = "podmigrations", Namespaced = true)]
[Called("pmig", "lpm", "all")]
[PrinterColumn("Pod", ".spec.podName")]
[PrinterColumn("Source", ".status.sourceNode")]
[PrinterColumn("Target", ".status.targetNode")]
[PrinterColumn("Phase", ".status.phase")]
[PrinterColumn("Downtime(ms)", ".status.downtimeMilliseconds", "integer")]
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

/// <summary>PodMigrationSpec is what is wanted of a migration. All of it but abort is immutable.</summary>
[Rule(
    "!has(oldSelf.abort) || !oldSelf.abort || (has(self.abort) && self.abort)",
    "abort cannot be taken back: create a new PodMigration instead")]
public sealed record PodMigrationSpec
{
    /// <summary>podName names the pod to move, in the migration's own namespace. Required, immutable.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName), Immutable]
    public string PodName { get; init; } = "";

    /// <summary>targetNode names the node to move it to. Immutable. Absent: the operator chooses a ready node whose agent
    /// can restore, the one with the fewest pods.</summary>
    [Text(253, TextAttribute.ObjectName), Immutable]
    public string? TargetNode { get; init; }

    /// <summary>serviceName names a Service, in the same namespace, whose endpoints must lead to the restored pod before
    /// the migration completes (not yet supported). Immutable. Absent: no service is waited for.</summary>
    [Text(63, TextAttribute.Label), Immutable]
    public string? ServiceName { get; init; }

    /// <summary>podUID pins the pod: a namesake with another uid is not migrated. Immutable. Absent: the pod of that name
    /// when the migration begins.</summary>
    [JsonPropertyName("podUID"), Text(63, TextAttribute.Uid), Immutable]
    public string? PodUID { get; init; }

    /// <summary>tcpPolicy says what becomes of connected TCP sockets: Close closes them, so that the application
    /// reconnects; Established keeps them (not yet supported); Reject fails the migration while there are any.
    /// Immutable. Absent: Close.</summary>
    [Immutable, OneOf(TcpPolicies.Close, TcpPolicies.Established, TcpPolicies.Reject)]
    public string? TcpPolicy { get; init; }

    /// <summary>onFailure says what a failure does: Rollback lets the source go on; ColdStart and Leave are not yet
    /// supported. Immutable. Absent: Rollback.</summary>
    [Immutable, OneOf(OnFailurePolicies.Rollback, OnFailurePolicies.ColdStart, OnFailurePolicies.Leave)]
    public string? OnFailure { get; init; }

    /// <summary>timeoutSeconds bounds the migration up to its commit: what has not been restored by then is rolled
    /// back. Immutable. Absent: 300.</summary>
    [Immutable, Bounds(10, 86400)]
    public int? TimeoutSeconds { get; init; }

    /// <summary>abort asks to stop: before the commit the migration is rolled back, after it goes forward. Cannot be
    /// taken back.</summary>
    public bool? Abort { get; init; }

    /// <summary>checkpointRetention says what happens to the checkpoint after the migration: Delete removes it, Retain
    /// keeps the PodCheckpoint and its bytes. Immutable. Absent: Delete.</summary>
    [Immutable, OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string? CheckpointRetention { get; init; }
}

/// <summary>PodMigrationStatus is what has become of a migration. Written by the operator only.</summary>
public sealed record PodMigrationStatus
{
    /// <summary>observedGeneration is the generation of the spec that this status is about.</summary>
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions say how far the migration has come; each carries a reason and a message.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>phase sums the conditions up for people: Pending, Checkpointing, Transferring, Restoring, Replaying,
    /// Finalizing, Completed or Failed.</summary>
    [OneOf(
        MigrationPhases.Pending, MigrationPhases.Checkpointing, MigrationPhases.Transferring, MigrationPhases.Restoring,
        MigrationPhases.Replaying, MigrationPhases.Finalizing, MigrationPhases.Completed, MigrationPhases.Failed)]
    public string? Phase { get; init; }

    /// <summary>message says in a sentence what goes on, or why it failed and what to do.</summary>
    [Text(32768)]
    public string? Message { get; init; }

    /// <summary>sourceNode is the node that the pod comes from. Set once.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? SourceNode { get; init; }

    /// <summary>targetNode is the node that the pod goes to.</summary>
    [Text(253)]
    public string? TargetNode { get; init; }

    /// <summary>podUID is the uid of the pod that is being moved. Set once, before anything happens to it.</summary>
    [ImmutableOnceSet, JsonPropertyName("podUID"), Text(63)]
    public string? PodUID { get; init; }

    /// <summary>podCheckpointName names the PodCheckpoint in the same namespace. Set once.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? PodCheckpointName { get; init; }

    /// <summary>restoredPodName names the pod on the target, in the same namespace.</summary>
    [Text(253)]
    public string? RestoredPodName { get; init; }

    /// <summary>restoredPodUID is that pod's uid.</summary>
    [JsonPropertyName("restoredPodUID"), Text(63)]
    public string? RestoredPodUID { get; init; }

    /// <summary>podAccessible says whether a copy of the pod runs.</summary>
    public bool? PodAccessible { get; init; }

    /// <summary>downtimeMilliseconds is the time in which no copy ran: from the last instant at which the source ran to
    /// the first at which the target did, the difference between the nodes' clocks taken out.</summary>
    public long? DowntimeMilliseconds { get; init; }

    /// <summary>checkpointBytes is the size of the checkpoint on the volume.</summary>
    public long? CheckpointBytes { get; init; }

    /// <summary>outcome says what became of the pod: Restored on the target with its memory, ColdStarted there without
    /// it, or RolledBack: it goes on at the source. Absent until then.</summary>
    [OneOf(Outcomes.Restored, Outcomes.ColdStarted, Outcomes.RolledBack)]
    public string? Outcome { get; init; }

    /// <summary>steps are the parts of the migration with their times.</summary>
    [Items(64, "name")]
    public IList<MigrationStep>? Steps { get; init; }

    /// <summary>startTime is when the migration began. Set once.</summary>
    [ImmutableOnceSet]
    public DateTime? StartTime { get; init; }

    /// <summary>completionTime is when it ended. Set once.</summary>
    [ImmutableOnceSet]
    public DateTime? CompletionTime { get; init; }
}

/// <summary>MigrationStep is one part of a migration.</summary>
public sealed record MigrationStep
{
    /// <summary>name of the step.</summary>
    [RequiredField, Text(63)]
    public string Name { get; init; } = "";

    /// <summary>startedAt is when it began.</summary>
    public DateTime? StartedAt { get; init; }

    /// <summary>finishedAt is when it ended.</summary>
    public DateTime? FinishedAt { get; init; }

    /// <summary>message says what was found.</summary>
    [Text(32768)]
    public string? Message { get; init; }
}
