namespace PodCheckpointing.Api.V1;

/// <summary>Phases of a migration. For people; conditions decide.</summary>
public static class MigrationPhases
{
    /// <summary>Not begun.</summary>
    public const string Pending = "Pending";

    /// <summary>The source is being dumped.</summary>
    public const string Checkpointing = "Checkpointing";

    /// <summary>The checkpoint goes to the target.</summary>
    public const string Transferring = "Transferring";

    /// <summary>The target is being restored.</summary>
    public const string Restoring = "Restoring";

    /// <summary>Messages that came in meanwhile are delivered; nothing of this version does so.</summary>
    public const string Replaying = "Replaying";

    /// <summary>The source is being removed, or a failed migration undone.</summary>
    public const string Finalizing = "Finalizing";

    /// <summary>The pod goes on at the target.</summary>
    public const string Completed = "Completed";

    /// <summary>The migration did not succeed.</summary>
    public const string Failed = "Failed";
}

/// <summary>What became of the pod.</summary>
public static class Outcomes
{
    /// <summary>It goes on at the target, restored.</summary>
    public const string Restored = "Restored";

    /// <summary>It runs at the target, started afresh.</summary>
    public const string ColdStarted = "ColdStarted";

    /// <summary>It goes on at the source, as if nothing had happened.</summary>
    public const string RolledBack = "RolledBack";

    /// <summary>No copy of it is left: the source ended, or its node was lost, while it was being moved.</summary>
    public const string Lost = "Lost";

    /// <summary>The source ended, was deleted or went with its node by itself, before
    /// anything of it was stopped.</summary>
    public const string SourceGone = "SourceGone";

    /// <summary>Everything stands as the failure left it, for inspection.</summary>
    public const string Left = "Left";

    /// <summary>It was a dry run, and nothing stands in the way.</summary>
    public const string WouldMigrate = "WouldMigrate";

    /// <summary>It was a dry run, and the migration is not possible.</summary>
    public const string WouldFail = "WouldFail";
}

/// <summary>What a dump does with connected TCP sockets.</summary>
public static class TcpPolicies
{
    /// <summary>Closes them; the application reconnects.</summary>
    public const string Close = "Close";

    /// <summary>Keeps them, where the address can be kept.</summary>
    public const string Established = "Established";

    /// <summary>Refuses to dump while there are any.</summary>
    public const string Reject = "Reject";
}

/// <summary>What a failure does.</summary>
public static class OnFailurePolicies
{
    /// <summary>The source goes on.</summary>
    public const string Rollback = "Rollback";

    /// <summary>A fresh pod starts at the target.</summary>
    public const string ColdStart = "ColdStart";

    /// <summary>Everything stays as it is.</summary>
    public const string Leave = "Leave";
}

/// <summary>What happens to bytes.</summary>
public static class DeletionPolicies
{
    /// <summary>They go with the object.</summary>
    public const string Delete = "Delete";

    /// <summary>They stay.</summary>
    public const string Retain = "Retain";
}

/// <summary>Types of conditions.</summary>
public static class ConditionTypes
{
    /// <summary>The object can be used.</summary>
    public const string Ready = "Ready";

    /// <summary>A content and its claim point at each other.</summary>
    public const string Bound = "Bound";

    /// <summary>The migration is possible.</summary>
    public const string Validated = "Validated";

    /// <summary>No container of the source can start on its node: a fence there refuses it.</summary>
    public const string SourceFenced = "SourceFenced";

    /// <summary>The checkpoint is whole, and every container of the source stands still.</summary>
    public const string Checkpointed = "Checkpointed";

    /// <summary>The target pod stands and waits for the checkpoint, while the source still runs.</summary>
    public const string TargetPrepared = "TargetPrepared";

    /// <summary>The target's processes run.</summary>
    public const string Restored = "Restored";

    /// <summary>The target is what was dumped, and runs. The migration goes forward from here on, unless the target is
    /// gone, or fails, while the source still stands; then False.</summary>
    public const string RestoreVerified = "RestoreVerified";

    /// <summary>The Service's endpoints lead to the restored pod.</summary>
    public const string ServiceSwitched = "ServiceSwitched";

    /// <summary>The source pod is gone.</summary>
    public const string SourceRemoved = "SourceRemoved";

    /// <summary>The migration has failed and is undone: False while it is being undone, True when that has ended;
    /// status.outcome says what became of the pod.</summary>
    public const string RolledBack = "RolledBack";

    /// <summary>Whether an abort was heeded: False where it came too late.</summary>
    public const string Aborted = "Aborted";

    /// <summary>The migration waits for something that somebody may have to mend: the reason and the message say for
    /// what. False when it goes on.</summary>
    public const string Stalled = "Stalled";
}

/// <summary>Annotations, labels and finalizers.</summary>
public static class WellKnown
{
    /// <summary>Label of the operator's and the agents' pods: what they are.</summary>
    public const string NameLabel = "app.kubernetes.io/name";

    /// <summary>Value of the label app.kubernetes.io/name of the operator's pods, which are not migrated.</summary>
    public const string OperatorName = "pod-checkpointing-operator";

    /// <summary>Annotation of a pod that is to be restored: the checkpoint's URI.</summary>
    public const string RestoreAnnotation = "io.kubernetes.cri-o.checkpoint-restore";

    /// <summary>Annotation that crun and runc take for a file of CRIU's options, where a
    /// container is created with it.</summary>
    public const string CriuConfig = "org.criu.config";

    /// <summary>RuntimeClass, and runtime handler, of a pod that is to be restored.</summary>
    public const string RestoreRuntimeClass = "checkpoint-restore";

    /// <summary>Annotation of a restored pod: the name that the pod had before its first migration.</summary>
    public const string OriginalPodName = ApiGroup.Name + "/original-pod-name";

    /// <summary>Label of a restored pod: the uid of its migration.</summary>
    public const string MigrationUid = ApiGroup.Name + "/migration-uid";

    /// <summary>Label of a PodMigration that a drain has begun: the node that it empties.</summary>
    public const string DrainedNode = ApiGroup.Name + "/drained-node";

    /// <summary>Annotation of a target pod that has not taken over yet: the labels and owners that its source has, and
    /// that it gets when it has been restored.</summary>
    public const string Handover = ApiGroup.Name + "/handover";

    /// <summary>Annotation of a pod: its ReplicaSet gives up those with a low number first.</summary>
    public const string DeletionCost = "controller.kubernetes.io/pod-deletion-cost";

    /// <summary>Annotation of a pod that its ReplicaSet is to give up for its target: the deletion cost that its user
    /// had set; empty: none.</summary>
    public const string OwnDeletionCost = ApiGroup.Name + "/own-deletion-cost";

    /// <summary>Annotation of a pod that was restored from a PodCheckpoint: what became of it.</summary>
    public const string RestoreOutcome = ApiGroup.Name + "/restore-outcome";

    /// <summary>Annotation beside restore-outcome: the uid of the pod that it is said of. A pod that is made of that
    /// one's manifest has another, and waits for a restore of its own.</summary>
    public const string RestoreOutcomeOf = ApiGroup.Name + "/restore-outcome-of";

    /// <summary>Annotation of a migration's target: when the operator asked for it. A pod that was created long after
    /// is made of the target's manifest, by somebody else.</summary>
    public const string RequestedAt = ApiGroup.Name + "/requested-at";

    /// <summary>Annotation of a PodCheckpoint that no retention rule removes, when "true".</summary>
    public const string Pinned = ApiGroup.Name + "/pinned";

    /// <summary>Holds a migration until its pod is in one safe place.</summary>
    public const string MigrationFinalizer = ApiGroup.Name + "/podmigration";

    /// <summary>Holds a checkpoint until its content has been dealt with.</summary>
    public const string CheckpointFinalizer = ApiGroup.Name + "/checkpoint-bound";

    /// <summary>Holds a content until its bytes have been dealt with.</summary>
    public const string ContentFinalizer = ApiGroup.Name + "/content-bytes";
}
