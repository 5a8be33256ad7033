using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Restores;

/// <summary>Makes the pod that goes on from a checkpoint, out of the pod that was dumped or of its manifest.</summary>
internal static class RestoredPod
{
    private const string LastApplied = "kubectl.kubernetes.io/last-applied-configuration";

    // Labels by which controllers know their own; the restored pod belongs to none. The one that Argo CD tracks by
    // unless it is told otherwise stays: Services select by it.
    private static readonly string[] ControllersLabels =
    [
        "pod-template-hash",
        "controller-revision-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        WellKnown.MigrationUid,
        ArgoCD.InstanceLabel,
    ];

    private static readonly string[] OldAnnotations =
    [
        LastApplied,
        WellKnown.RestoreOutcome,
        WellKnown.RestoreOutcomeOf,
        WellKnown.RequestedAt,
        WellKnown.OriginalPodName,
        .. ArgoCD.Tracking,
    ];

    // What a server or another RuntimeClass put in, and what cannot be created.
    private static readonly string[] OldSpec = [PodParts.EphemeralField, PodParts.OverheadField];

    public static V1Pod From(V1Pod source, ArtifactUri artifact, string name, string namespaceName, string? node)
    {
        var annotations = Without(source.Metadata.Annotations, OldAnnotations);
        annotations[WellKnown.RestoreAnnotation] = artifact.ToString();
        var labels = IsAdoptedByLabels(source) ? [] : Without(source.Metadata.Labels, ControllersLabels);
        if (labels.Count > 0)
        {
            // Any of them may be the one by which Argo CD tracks, and a clone is in no Git.
            ArgoCD.KeepUnpruned(annotations);
        }

        return new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = name,
                NamespaceProperty = namespaceName,
                Labels = labels.Count > 0 ? labels : null,
                Annotations = annotations,
            },
            Spec = source.Spec with
            {
                NodeName = node,
                RuntimeClassName = WellKnown.RestoreRuntimeClass,
                // Those that ran to their end have their work in the checkpoint; sidecars go on.
                InitContainers =
                    source.Sidecars().Select(PodParts.WithoutPostStart).ToList() is { Count: > 0 } sidecars
                        ? sidecars
                        : null,
                Containers = [.. source.Spec.Containers.Select(PodParts.WithoutPostStart)],
                More = source.Spec.More?.Where(pair => !OldSpec.Contains(pair.Key)).ToDictionary(),
            },
        };
    }

    /// <summary>Whether its controller would take any pod with these labels for its own, and then have one too many. A
    /// Deployment's asks for its hash, too, and a StatefulSet for a name.</summary>
    private static bool IsAdoptedByLabels(V1Pod source) =>
        source.Controller() is { } owner && owner.Kind != "StatefulSet" && !source.IsOfDeployment();

    private static Dictionary<string, string> Without(IDictionary<string, string>? map, string[] keys) =>
        (map ?? new Dictionary<string, string>()).Where(pair => !keys.Contains(pair.Key)).ToDictionary();
}
