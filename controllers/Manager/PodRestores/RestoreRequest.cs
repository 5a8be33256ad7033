using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Manager.PodRestores;

/// <summary>A pod that asks, by its annotation, to be restored from a PodCheckpoint of its namespace.</summary>
/// <param name="Pod">The pod.</param>
/// <param name="Artifact">What it asks for; null where that is no artifact's URI.</param>
internal sealed record RestoreRequest(V1Pod Pod, ArtifactUri? Artifact)
{
    /// <summary>The request of a pod that waits for its restore; null for every other pod, also for a migration's.</summary>
    public static RestoreRequest? Of(V1Pod pod)
    {
        var annotations = pod.Metadata.Annotations;
        return annotations?.TryGetValue(WellKnown.RestoreAnnotation, out var text) == true
            && !annotations.ContainsKey(WellKnown.RestoreOutcome)
            && !StrayTargets.IsTarget(pod)
            && pod.Metadata.DeletionTimestamp is null
            && pod.Status?.Phase is not ("Succeeded" or "Failed")
                ? new RestoreRequest(pod, ArtifactUri.TryParse(text, out var uri) ? uri : null)
                : null;
    }

    /// <summary>Whether a pod still needs the bytes of a checkpoint.</summary>
    public static bool IsRestoring(V1Pod pod, PodCheckpoint checkpoint) =>
        pod.Metadata.NamespaceProperty == checkpoint.Metadata.NamespaceProperty
        && Of(pod) is { Artifact: { } uri } && IsOf(uri, checkpoint);

    /// <summary>Whether an artifact belongs to a checkpoint.</summary>
    public static bool IsOf(ArtifactUri uri, PodCheckpoint checkpoint) =>
        checkpoint.Status?.PodUID == uri.PodUid && checkpoint.Status?.CheckpointID == uri.CheckpointId;
}
