using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>Binds a PodCheckpoint to a content that stands already, because an administrator has offered it.</summary>
/// <remarks>Nothing here is terminal: claim and content may be applied in any order, and mended.</remarks>
internal sealed class CheckpointImport(ICluster cluster)
{
    /// <summary>Goes one step, and returns the status after it.</summary>
    public async Task<PodCheckpointStatus> BindAsync(
        PodCheckpoint checkpoint, string name, PodCheckpointReport report, CancellationToken cancellationToken)
    {
        if (cluster.Find<PodCheckpointContent>(new ObjectKey(null, name)) is not { } content
            || !IsOffered(content, checkpoint))
        {
            // The same words whether it exists or not: what other namespaces have is not this one's business.
            return report.Waiting(
                Reasons.BindingMismatch,
                $"PodCheckpointContent {name} is not offered to this PodCheckpoint: an administrator sets its "
                + $"podCheckpointRef to {checkpoint.Metadata.NamespaceProperty}/{checkpoint.Metadata.Name}, "
                + "without a uid");
        }

        var reference = content.Spec.PodCheckpointRef;
        if (reference.Uid is null)
        {
            // The first one wins: whoever else has tried with this version of the content is refused.
            await cluster.PatchSpecAsync(
                content,
                content.Spec,
                content.Spec with { PodCheckpointRef = reference with { Uid = checkpoint.Metadata.Uid } },
                cancellationToken);
            return report.Waiting(Reasons.Pending, $"PodCheckpointContent {name} is being bound");
        }

        return content.Status switch
        {
            { Ready: true } ready => report.Imported(content, ready),
            { Error: { } error } => report.Waiting(
                error.Reason ?? Reasons.ArtifactMissing, $"PodCheckpointContent {name}: {error.Message}"),
            _ => report.Waiting(Reasons.Pending, $"PodCheckpointContent {name} is being compared with the volume"),
        };
    }

    private static bool IsOffered(PodCheckpointContent content, PodCheckpoint checkpoint)
    {
        var reference = content.Spec.PodCheckpointRef;
        return content.Metadata.DeletionTimestamp is null
            && reference.NamespaceProperty == checkpoint.Metadata.NamespaceProperty
            && reference.Name == checkpoint.Metadata.Name
            && (reference.Uid is null || reference.Uid == checkpoint.Metadata.Uid);
    }
}
