using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>PodMigration moves a running pod to another node, where it goes on as it stood.</summary>
/// <remarks>The user creates one per move and watches status; it is never used twice. Up to the condition
/// RestoreVerified every failure leads back to the source, which goes on as if nothing had happened; but once the
/// target's processes have been let run, no abort and no timeout does, lest what they have done be lost. Example:
/// kubectl wait --for=condition=Ready podmigration/x.</remarks>
[KubernetesEntity(
    Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodMigration",
    PluralName = "podmigrations", Namespaced = true)]
[Called("pmig", "lpm")]
[PrinterColumn("Pod", ".spec.podName")]
[PrinterColumn("Source", ".status.sourceNode")]
[PrinterColumn("Target", ".status.targetNode")]
[PrinterColumn("Phase", ".status.phase")]
[PrinterColumn("Outcome", ".status.outcome")]
[PrinterColumn("Downtime(ms)", ".status.downtimeMilliseconds", "integer")]
[PrinterColumn("Reason", ".status.conditions[?(@.type==\"Ready\")].reason", priority: 1)]
[PrinterColumn("Restored-Pod", ".status.restoredPodName", priority: 1)]
[PrinterColumn("Checkpoint", ".status.podCheckpointName", priority: 1)]
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

    /// <summary>spec is what the user wants. Required. Only abort and ttlSecondsAfterFinished
    /// may change after creation.</summary>
    [RequiredField]
    public PodMigrationSpec Spec { get; init; } = new();

    /// <summary>status is what the operator has observed and done. Written by the operator only; absent until it has
    /// seen the object.</summary>
    public PodMigrationStatus? Status { get; init; }
}

/// <summary>PodMigrationSpec is what the user wants of a migration. All of it but abort and ttlSecondsAfterFinished is
/// immutable.</summary>
[Rule(
    "!has(oldSelf.abort) || !oldSelf.abort || (has(self.abort) && self.abort)",
    "abort cannot be taken back: create a new PodMigration instead")]
public sealed record PodMigrationSpec
{
    /// <summary>podName names the pod to move, in the migration's own namespace. It must run, belong to
    /// nobody or to a ReplicaSet (also of a Deployment), and hold nothing that cannot travel; otherwise the condition
    /// Validated says what. Required, immutable.</summary>
    [RequiredField, Text(253, TextAttribute.ObjectName), Immutable]
    public string PodName { get; init; } = "";

    /// <summary>targetNode names the node to move the pod to. It must be ready, not cordoned, run an agent, not be the
    /// node on which the pod is, and take the pod as the scheduler would: by its requests, taints, nodeSelector and
    /// required node affinity. Immutable. Absent: the operator chooses such a node whose agent says that it can restore
    /// the pod, the one with the fewest pods, and says so in status.targetNode.</summary>
    [Text(253, TextAttribute.ObjectName), Immutable]
    public string? TargetNode { get; init; }

    /// <summary>serviceName names a Service, in the same namespace, whose endpoints must lead to the restored pod, and
    /// no longer to the source, before the migration completes (condition ServiceSwitched). Its selector must match the
    /// pod's labels, which the restored pod keeps (else reason ServiceNotSelecting); the Service is never changed.
    /// After a minute of waiting the migration completes all the same, with ServiceSwitched False (reason
    /// EndpointsNotSwitched). Immutable. Absent: no Service is waited for; all of
    /// them follow the pod's labels.</summary>
    [Text(63, TextAttribute.Label), Immutable]
    public string? ServiceName { get; init; }

    /// <summary>podUID pins the pod: a namesake with another uid is not migrated (reason SourcePodReplaced). Immutable.
    /// Absent: the pod that has the name when the migration begins.</summary>
    [JsonPropertyName("podUID"), Text(63, TextAttribute.Uid), Immutable]
    public string? PodUID { get; init; }

    /// <summary>tcpPolicy says what becomes of connected TCP sockets. Close: they are closed, and the application
    /// reconnects. Reject: the migration fails while there are any (reason EstablishedTcpConnections). Established:
    /// they go on, which takes a pod that asks for its own address by annotation cni.projectcalico.org/ipAddrsNoIpam
    /// and a network that gives it; refused elsewhere (reason AddressNotKept). Listening sockets always travel;
    /// connections that the server has not accepted yet are closed. Immutable. Absent: Close.</summary>
    [Immutable, OneOf(TcpPolicies.Close, TcpPolicies.Established, TcpPolicies.Reject)]
    public string? TcpPolicy { get; init; }

    /// <summary>onFailure says what a failure before RestoreVerified leads to. Rollback: the target is removed and the
    /// source goes on. ColdStart: where the source had been fenced, it is removed and the pod starts afresh at the
    /// target: its memory is lost; where the API server refuses that pod, the source goes on; refused for a pod that
    /// has a controller. Leave: everything stays as it is, for inspection, the fenced source stopped, until abort is
    /// set or the migration deleted, which rolls back; refused for a pod that a liveness probe would kill meanwhile. An
    /// abort always rolls back. Immutable. Absent: Rollback.</summary>
    [Immutable, OneOf(OnFailurePolicies.Rollback, OnFailurePolicies.ColdStart, OnFailurePolicies.Leave)]
    public string? OnFailure { get; init; }

    /// <summary>timeoutSeconds bounds the migration, in seconds from status.startTime to the instant at which the
    /// target's processes run: what does not run by then never will, and is rolled back (reason TimedOut). Immutable.
    /// Absent: 300.</summary>
    [Immutable, Bounds(10, 86400)]
    public int? TimeoutSeconds { get; init; }

    /// <summary>abort asks to stop when true: until the target's processes run the migration is rolled back (reason
    /// Aborted), after that it goes forward, which condition Aborted says. May be set at any time, never
    /// taken back. Absent: false.</summary>
    public bool? Abort { get; init; }

    /// <summary>dryRun only validates when true: everything that stands in the way is reported at once, in the
    /// condition Validated, nothing is created or stopped, and outcome is WouldMigrate or WouldFail. Immutable. Absent:
    /// false.</summary>
    [Immutable]
    public bool? DryRun { get; init; }

    /// <summary>checkpointRetention says what happens to the PodCheckpoint when the migration has ended: Delete removes
    /// it and its bytes, Retain keeps both where the checkpoint is whole. Immutable. Absent: Delete.</summary>
    [Immutable, OneOf(DeletionPolicies.Delete, DeletionPolicies.Retain)]
    public string? CheckpointRetention { get; init; }

    /// <summary>ttlSecondsAfterFinished has the operator delete the PodMigration, a few seconds at most after so many
    /// seconds since status.completionTime. The restored pod stays, and so does a PodCheckpoint that
    /// checkpointRetention Retain keeps. A migration that somebody still has to see to is not deleted: with outcome
    /// Lost, or condition Stalled. May be set or changed at any time, also after the end. Absent: as long as the
    /// operator is told (Operator:Migrations:TtlSecondsAfterFinished), and otherwise
    /// until somebody deletes it.</summary>
    [Bounds(0, int.MaxValue)]
    public int? TtlSecondsAfterFinished { get; init; }
}

/// <summary>PodMigrationStatus is what has become of a migration. Written by the operator only.</summary>
[Rule(
    "!has(self.completionTime) || (has(self.phase) && self.phase in ['Completed', 'Failed'])",
    "completionTime goes with phase Completed or Failed only", "completionTime")]
[Rule(
    "!has(self.phase) || self.phase != 'Completed' || (has(self.outcome) && self.outcome in ['Restored', "
        + "'ColdStarted', 'WouldMigrate'])",
    "phase Completed needs outcome Restored, ColdStarted or WouldMigrate", "phase")]
[Rule(
    "!has(oldSelf.outcome) || (has(self.outcome) && (self.outcome == oldSelf.outcome || oldSelf.outcome == 'Left'))",
    "outcome is immutable once set", "outcome")]
[Rule(
    "!has(oldSelf.completionTime) || (has(self.phase) == has(oldSelf.phase) && "
    + "(!has(self.phase) || self.phase == oldSelf.phase) && has(self.outcome) == has(oldSelf.outcome))",
    "phase and outcome of a finished migration may not change", "phase")]
public sealed record PodMigrationStatus
{
    /// <summary>observedGeneration is the metadata.generation of the spec that this status is about. A smaller number
    /// than metadata.generation: the operator has not yet seen the last change.</summary>
    [Bounds(0)]
    public long? ObservedGeneration { get; init; }

    /// <summary>conditions say how far the migration has come, each with a reason and a message: Validated,
    /// TargetPrepared, SourceFenced, Checkpointed, Restored, RestoreVerified, SourceRemoved, ServiceSwitched (with
    /// spec.serviceName) in this order, RolledBack when it goes back, Stalled while it waits for something that
    /// somebody may have to mend, Aborted, which is False, where an abort came too late (reason AbortTooLate), and
    /// Ready, which is True at the end when the pod goes on at the target and False when the migration failed.
    /// Validated is Unknown, with reason WaitingForSlot, while as many others are under way as may be.</summary>
    [Items(32, "type")]
    public IList<V1Condition>? Conditions { get; init; }

    /// <summary>phase sums the conditions up for people: Pending, Checkpointing, Transferring, Restoring, Replaying,
    /// Finalizing, Completed or Failed. Programs read conditions instead. Completed and Failed with a completionTime
    /// are final.</summary>
    [OneOf(
        MigrationPhases.Pending, MigrationPhases.Checkpointing, MigrationPhases.Transferring, MigrationPhases.Restoring,
        MigrationPhases.Replaying, MigrationPhases.Finalizing, MigrationPhases.Completed, MigrationPhases.Failed)]
    public string? Phase { get; init; }

    /// <summary>message says in a sentence what goes on now, or why the migration failed and what to do.</summary>
    [Text(32768)]
    public string? Message { get; init; }

    /// <summary>sourceNode is the node that the pod comes from. Set once, when the
    /// migration has been validated.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? SourceNode { get; init; }

    /// <summary>targetNode is the node that the pod goes to: spec.targetNode, or the one that was chosen. Set once,
    /// when the migration has been validated.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? TargetNode { get; init; }

    /// <summary>podUID is the uid of the pod that is being moved. Set once, before
    /// anything happens to the pod.</summary>
    [ImmutableOnceSet, JsonPropertyName("podUID"), Text(63)]
    public string? PodUID { get; init; }

    /// <summary>podCheckpointName names the PodCheckpoint, in the same namespace, that the migration made. Set once,
    /// when the source is fenced. The object is gone after the migration unless
    /// spec.checkpointRetention is Retain.</summary>
    [ImmutableOnceSet, Text(253)]
    public string? PodCheckpointName { get; init; }

    /// <summary>restoredPodName names the pod at the target, in the same namespace. Set when the migration has been
    /// validated, before the pod exists.</summary>
    [Text(253)]
    public string? RestoredPodName { get; init; }

    /// <summary>restoredPodUID is the uid of the pod at the target. Set when that pod has been created.</summary>
    [JsonPropertyName("restoredPodUID"), Text(63)]
    public string? RestoredPodUID { get; init; }

    /// <summary>coldStartPod is the pod, as JSON, that is started at the target where onFailure is ColdStart. Set
    /// before the source is removed.</summary>
    [Text(65536)]
    public string? ColdStartPod { get; init; }

    /// <summary>maxFreezeSeconds is how long the pod may stand still, in seconds, before kubelet kills it for not
    /// answering: the least of its liveness probes' (failureThreshold - 1) × periodSeconds. When the target does not
    /// run after three quarters of it, or all but 5 seconds of a longer one, counted from condition SourceFenced, the
    /// migration rolls back (reason TimedOut), so that the source goes on in time. Set once, when the migration has
    /// been validated. Absent: no probe bounds it.</summary>
    [ImmutableOnceSet, Bounds(0)]
    public long? MaxFreezeSeconds { get; init; }

    /// <summary>podAccessible says whether one copy of the pod runs: true at the source until it is dumped, false while
    /// it stands still, true again at the target or, after a rollback, at the source. Absent: not known.</summary>
    public bool? PodAccessible { get; init; }

    /// <summary>downtimeMilliseconds is the time, in milliseconds, in which no copy of the pod ran: from the last
    /// instant at which the source ran to the first at which the target did, the difference between the nodes' clocks
    /// taken out. Set when the restore has been verified.</summary>
    [Bounds(0)]
    public long? DowntimeMilliseconds { get; init; }

    /// <summary>checkpointBytes is the size of the checkpoint on the volume, in bytes, compressed, all containers
    /// together. Set when the checkpoint is whole.</summary>
    [Bounds(0)]
    public long? CheckpointBytes { get; init; }

    /// <summary>outcome says what became of the pod: Restored, it goes on at the target with its memory; ColdStarted,
    /// it runs there without it; RolledBack, it goes on at the source; Lost, the source ended or its node was lost
    /// while the pod was being moved, and where a whole checkpoint had been made it is kept; SourceGone, the same
    /// before anything of the pod was stopped, so that the migration has taken nothing from it; Left, everything stands
    /// as the failure left it until spec.abort is set or the migration deleted; WouldMigrate or WouldFail, it was a dry
    /// run. Set once, with completionTime; Left comes before that. Absent: not decided yet, or
    /// the pod was never touched.</summary>
    [OneOf(
        Outcomes.Restored, Outcomes.ColdStarted, Outcomes.RolledBack, Outcomes.Lost, Outcomes.SourceGone, Outcomes.Left,
        Outcomes.WouldMigrate, Outcomes.WouldFail)]
    public string? Outcome { get; init; }

    /// <summary>steps are the parts of the migration in the order in which they began, each with its times.</summary>
    [Items(64, "name")]
    public IList<MigrationStep>? Steps { get; init; }

    /// <summary>startTime is when the migration began, by the operator's clock: not before others have made room for
    /// it, when as many as may be were under way. Set once.</summary>
    [ImmutableOnceSet]
    public DateTime? StartTime { get; init; }

    /// <summary>completionTime is when the migration ended, well or not, by the operator's clock. Set once; from then
    /// on nothing happens any more.</summary>
    [ImmutableOnceSet]
    public DateTime? CompletionTime { get; init; }
}

/// <summary>MigrationStep is one part of a migration and how long it took.</summary>
public sealed record MigrationStep
{
    /// <summary>name of the step: Wait (for others), Validate, Receive (the target pod waits), Fence, Checkpoint,
    /// HoldAddress (the target's node lets nothing through to the pod's own address yet), Transfer, Restore, Commit,
    /// EndSource (its processes are killed), Service (the target's endpoints are waited for), Resume (the source is let
    /// go on) or ColdStart. Required.</summary>
    [RequiredField, Text(63, TextAttribute.Word)]
    public string Name { get; init; } = "";

    /// <summary>startedAt is when the step began, by the operator's clock.</summary>
    public DateTime? StartedAt { get; init; }

    /// <summary>finishedAt is when the step ended, by the operator's clock. Absent: it is
    /// under way, or was given up.</summary>
    public DateTime? FinishedAt { get; init; }

    /// <summary>message says what was found or measured, set with finishedAt. May be empty.</summary>
    [Text(32768)]
    public string? Message { get; init; }
}
