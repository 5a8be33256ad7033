using System.Globalization;
using System.Text.Json;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Makes the pod that goes on at the target out of the one at the source.</summary>
internal static class TargetPod
{
    public static V1Pod From(
        V1Pod source, MigrationScope scope, string checkpointUri, IReadOnlyList<TargetImage> images)
    {
        var annotations = Handover.AnnotationsOf(source)
            .Where(a => !PodAddress.IsWrittenByNetwork(a.Key)).ToDictionary();
        annotations.TryAdd(WellKnown.OriginalPodName, source.Metadata.Name!);
        annotations[WellKnown.RestoreAnnotation] = checkpointUri;
        annotations[WellKnown.RequestedAt] = scope.Now.ToString("O", CultureInfo.InvariantCulture);
        var labels = Handover.LabelsMeanwhile(source);
        if (Handover.IsNeeded(source))
        {
            Handover.Prepare(source, annotations);
        }

        labels[WellKnown.MigrationUid] = scope.Uid;
        V1Container Prepared(V1Container container) =>
            WithImage(container.WithoutPostStart(), images.FirstOrDefault(image => image.Container == container.Name));
        return new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = scope.TargetPodName(source),
                NamespaceProperty = scope.Namespace,
                Labels = labels,
                Annotations = annotations,
            },
            // The same images, where need be by their digests: a restart of a container
            // is a fresh start, as for every pod.
            Spec = source.Spec with
            {
                NodeName = scope.Status.TargetNode,
                RuntimeClassName = WellKnown.RestoreRuntimeClass,
                // Those that ran to their end at the source have their work in the checkpoint; sidecars go on.
                InitContainers =
                    source.Sidecars().Select(Prepared).ToList() is { Count: > 0 } sidecars ? sidecars : null,
                Containers = [.. source.Spec.Containers.Select(Prepared)],
                // No new pod may have any.
                More = source.Spec.More?.Where(
                    f => f.Key is not (PodParts.EphemeralField or PodParts.OverheadField)).ToDictionary(),
            },
        };
    }

    /// <summary>The same pod without its memory: as it was first asked for, at the target.</summary>
    public static V1Pod Afresh(V1Pod source, MigrationScope scope)
    {
        var annotations = Handover.AnnotationsOf(source)
            .Where(a => !PodAddress.IsWrittenByNetwork(a.Key)).ToDictionary();
        annotations.TryAdd(WellKnown.OriginalPodName, source.Metadata.Name!);
        annotations.Remove(WellKnown.RestoreAnnotation);
        annotations.Remove(WellKnown.RestoreOutcome);
        annotations.Remove(WellKnown.RestoreOutcomeOf);
        annotations.Remove(WellKnown.RequestedAt);
        return new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = scope.FreshPodName(source),
                NamespaceProperty = scope.Namespace,
                Labels = new Dictionary<string, string>(source.Metadata.Labels ?? new Dictionary<string, string>())
                {
                    [WellKnown.MigrationUid] = scope.Uid,
                },
                Annotations = annotations,
            },
            Spec = source.Spec with
            {
                NodeName = scope.Status.TargetNode,
                RuntimeClassName = source.Spec.RuntimeClassName == WellKnown.RestoreRuntimeClass
                    ? null
                    : source.Spec.RuntimeClassName,
                More = source.Spec.More?.Where(f => f.Key != PodParts.EphemeralField).ToDictionary(),
            },
        };
    }

    private static V1Container WithImage(V1Container container, TargetImage? image) => image is null
        ? container
        : container with
        {
            Image = image.Image,
            More = image.IsAtHand
                ? new Dictionary<string, JsonElement>(container.More ?? new Dictionary<string, JsonElement>())
                {
                    ["imagePullPolicy"] = JsonSerializer.SerializeToElement("IfNotPresent"),
                }
                : container.More,
        };
}
