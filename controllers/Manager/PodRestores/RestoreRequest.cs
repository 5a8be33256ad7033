using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodRestores;

/// <summary>A pod that asks, by its annotation, to be restored from a PodCheckpoint of its namespace.</summary>
/// <param name="Pod">The pod.</param>
/// <param name="Artifact">What it asks for; null where that is no artifact's URI.</param>
internal sealed record RestoreRequest(V1Pod Pod, ArtifactUri? Artifact)
{
    /// <summary>The request of a pod that waits for its restore; null for every other
    /// pod, also for a migration's.</summary>
    public static RestoreRequest? Of(V1Pod pod) => StrayTargets.IsTarget(pod) ? null : OfAny(pod);

    /// <summary>The same of a pod that has a target's name and label, and is none.</summary>
    public static RestoreRequest? OfAny(V1Pod pod) =>
        pod.Metadata.Annotations?.TryGetValue(WellKnown.RestoreAnnotation, out var text) == true
        && RestoreOutcome.Of(pod) is null
        && pod.Metadata.DeletionTimestamp is null
        && pod.Status?.Phase is not ("Succeeded" or "Failed")
            ? new RestoreRequest(pod, ArtifactUri.TryParse(text, out var uri) ? uri : null)
            : null;

    /// <summary>Whether a pod still needs the bytes of a checkpoint.</summary>
    public static bool IsRestoring(V1Pod pod, PodCheckpoint checkpoint) =>
        pod.Metadata.NamespaceProperty == checkpoint.Metadata.NamespaceProperty
        && Of(pod) is { Artifact: { } uri }
        && checkpoint.Status is { } status && status.PodUID == uri.PodUid && status.CheckpointID == uri.CheckpointId;

    /// <summary>The artifact, of a pod that its node can restore.</summary>
    /// <exception cref="TerminalException">The pod says it in a way that nobody understands, or does not mean
    /// it.</exception>
    public ArtifactUri RequireArtifact()
    {
        if (StrayTargets.IsTarget(Pod))
        {
            throw new TerminalException(
                Reasons.RestoreRefused,
                "it is made of the manifest of a migration's target, and nothing is staged for it. That it starts "
                + $"afresh, create it without label {WellKnown.MigrationUid}, annotation "
                + $"{WellKnown.RestoreAnnotation} and spec.runtimeClassName");
        }

        var uri = Artifact ?? throw new TerminalException(
            Reasons.RestoreRefused,
            $"annotation {WellKnown.RestoreAnnotation} is no artifact's URI: write shared://<podUID>/<checkpointID>, "
            + "as status.podUID and status.checkpointID of the PodCheckpoint have them");
        return Pod.Spec.RuntimeClassName == WellKnown.RestoreRuntimeClass ? uri : throw new TerminalException(
            Reasons.RestoreRefused,
            $"spec.runtimeClassName is \"{Pod.Spec.RuntimeClassName}\", so the pod has started afresh: "
            + $"set it to {WellKnown.RestoreRuntimeClass}");
    }
}
