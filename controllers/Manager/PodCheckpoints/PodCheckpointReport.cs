using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Claims;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>The status of a PodCheckpoint, as each end of an attempt leaves it.</summary>
internal sealed class PodCheckpointReport(PodCheckpoint checkpoint, TimeProvider time)
    : IClaimReport<PodCheckpointStatus>
{
    /// <summary>The status that the attempt began with.</summary>
    public PodCheckpointStatus Stored { get; private init; } = checkpoint.Status ?? new PodCheckpointStatus();

    private DateTime Now => time.GetUtcNow().UtcDateTime;

    /// <summary>Whether a migration has it made, which stops the pod, and tells by itself how far it is: said here,
    /// too, that would be a write for each container while the pod stands still.</summary>
    private bool IsOfMigration => checkpoint.ControllerKey(nameof(PodMigration)) is not null;

    /// <summary>The same report, of a checkpoint that is bound to a content.</summary>
    public PodCheckpointReport Bound(PodCheckpointContent content) =>
        new(checkpoint, time) { Stored = Stored with { BoundContentName = content.Metadata.Name } };

    public PodCheckpointStatus Named(string checkpointId, V1Pod pod)
    {
        // A pod that runs on would write into its volumes while they are read.
        var volumes = IsOfMigration ? pod.EmptyDirs() : [];
        return Stored with
        {
            ObservedGeneration = checkpoint.Metadata.Generation,
            Ready = false,
            CheckpointID = checkpointId,
            PodUID = pod.Metadata.Uid,
            NodeName = pod.Spec.NodeName,
            Containers = [.. pod.LivingContainers().Select(c => c.Name)],
            Volumes = volumes.Count > 0 ? [.. volumes] : null,
            Conditions = WithReady("False", Reasons.Pending, $"the checkpoint has its name{LeftOut(pod)}"),
        };
    }

    public PodCheckpointStatus InProgress(int dumped, int containers) => IsOfMigration
        ? checkpoint.Status!
        : Stored with
        {
            Conditions = WithReady(
                "False", Reasons.CheckpointInProgress, $"{dumped} of {containers} containers are dumped"),
        };

    /// <summary>Nothing new: why the last attempt to seal it failed stands there until one succeeds.</summary>
    public PodCheckpointStatus Sealing() => IsOfMigration ? checkpoint.Status! : Stored;

    public PodCheckpointStatus Ready(PodCheckpointContentStatus content) => Stored with
    {
        Ready = true,
        Size = content.Size,
        CreationTime = Stored.CreationTime ?? Now,
        Conditions = WithReady("True", Reasons.CheckpointCompleted, "the checkpoint is whole"),
    };

    public PodCheckpointStatus Imported(PodCheckpointContent content, PodCheckpointContentStatus ready)
    {
        var source = content.Spec.Source;
        return Stored with
        {
            ObservedGeneration = checkpoint.Metadata.Generation,
            Ready = true,
            BoundContentName = content.Metadata.Name,
            CheckpointID = source.CheckpointID,
            PodUID = source.PodUID,
            NodeName = source.NodeName,
            Containers = ready.Containers ?? [],
            Volumes = ready.Volumes,
            Size = ready.Size,
            CreationTime = Stored.CreationTime ?? Now,
            Conditions = WithReady(
                "True",
                Reasons.CheckpointCompleted,
                $"pod {source.PodName}'s checkpoint {source.CheckpointID} is imported"),
        };
    }

    public PodCheckpointStatus Waiting(string reason, string message) => Stored with
    {
        ObservedGeneration = checkpoint.Metadata.Generation,
        Ready = false,
        Conditions = WithReady("False", reason, message),
    };

    public PodCheckpointStatus Failed(string reason, string message) => Waiting(reason, message) with
    {
        Error = new CheckpointError { Time = Now, Reason = reason, Message = message },
    };

    public bool IsSettled(PodCheckpointStatus status) => status is { Ready: true } or { Error: not null };

    public IList<V1Condition>? ConditionsOf(PodCheckpointStatus status) => status.Conditions;

    /// <summary>What a reader might expect in the checkpoint, and will not find there.</summary>
    private string LeftOut(V1Pod pod)
    {
        var missing = pod.EphemeralContainers().Select(c => $"ephemeral container {c}").ToList();
        if (!IsOfMigration)
        {
            missing.AddRange(pod.EmptyDirs().Select(v => $"content of emptyDir volume {v}"));
        }

        return missing.Count == 0 ? "" : $"; not in it: {string.Join(", ", missing)}";
    }

    private IList<V1Condition> WithReady(string value, string reason, string message) =>
        Stored.Conditions.With(ConditionTypes.Ready, value, reason, message, checkpoint.Metadata.Generation, Now);
}
