using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Claims;

namespace PodCheckpointing.Manager.ContainerCheckpoints;

/// <summary>The status of a ContainerCheckpoint, as each end of an attempt leaves it.</summary>
internal sealed class ContainerCheckpointReport(ContainerCheckpoint checkpoint, TimeProvider time)
    : IClaimReport<ContainerCheckpointStatus>
{
    private ContainerCheckpointStatus Stored { get; init; } = checkpoint.Status ?? new ContainerCheckpointStatus();

    /// <summary>The same report, of a checkpoint that is bound to a content.</summary>
    public ContainerCheckpointReport Bound(ContainerCheckpointContent content) => new(checkpoint, time)
    {
        Stored = Stored with
        {
            ObservedGeneration = checkpoint.Metadata.Generation,
            BoundContentName = content.Metadata.Name,
        },
    };

    public ContainerCheckpointStatus InProgress(string node, bool isOfMigration)
    {
        // A migration tells by itself how far it is.
        if (isOfMigration)
        {
            return checkpoint.Status ?? new ContainerCheckpointStatus();
        }

        // Why the last attempt failed stands there until one succeeds.
        return checkpoint.Status?.Conditions.Find(ConditionTypes.Ready) is { Reason: not Reasons.CheckpointInProgress }
            ? checkpoint.Status
            : Waiting(Reasons.CheckpointInProgress, $"node {node} dumps the container");
    }

    public ContainerCheckpointStatus Ready(
        ContainerCheckpointContent content, ContainerCheckpointContentStatus ready) => Stored with
    {
        Ready = true,
        ArtifactURI = content.Spec.ArtifactURI,
        Size = ready.CompressedSize,
        UncompressedSize = ready.Size,
        Digest = ready.CompressedDigest,
        UncompressedDigest = ready.Digest,
        Conditions = WithReady("True", Reasons.CheckpointCompleted, "the artifact is whole"),
    };

    public ContainerCheckpointStatus Waiting(string reason, string message) => Stored with
    {
        Ready = false,
        Conditions = WithReady("False", reason, message),
    };

    public ContainerCheckpointStatus Failed(string reason, string message) => Waiting(reason, message) with
    {
        ObservedGeneration = checkpoint.Metadata.Generation,
        Error = new CheckpointError { Time = time.GetUtcNow().UtcDateTime, Reason = reason, Message = message },
    };

    public bool IsSettled(ContainerCheckpointStatus status) => status is { Ready: true } or { Error: not null };

    public IList<V1Condition>? ConditionsOf(ContainerCheckpointStatus status) => status.Conditions;

    private IList<V1Condition> WithReady(string value, string reason, string message) => Stored.Conditions.With(
        ConditionTypes.Ready, value, reason, message, checkpoint.Metadata.Generation, time.GetUtcNow().UtcDateTime);
}
