using System.Globalization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.TestControllers;

/// <summary>What controllers ask of pods.</summary>
internal static class Pods
{
    public static bool IsActive(this V1Pod pod) =>
        pod.Metadata.DeletionTimestamp is null && pod.Status?.Phase is not ("Succeeded" or "Failed");

    public static bool IsReady(this V1Pod pod) => ReadyCondition(pod)?.Status == "True";

    public static DateTime? ReadySince(this V1Pod pod) =>
        ReadyCondition(pod) is { Status: "True" } ready ? ready.LastTransitionTime : null;

    /// <summary>KEP-2255: what is no number counts as 0.</summary>
    public static int DeletionCost(this V1Pod pod) =>
        pod.Metadata.Annotations?.TryGetValue("controller.kubernetes.io/pod-deletion-cost", out var text) == true
        && int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var cost)
            ? cost
            : 0;

    public static int Restarts(this V1Pod pod) =>
        pod.Status?.ContainerStatuses?.Select(s => s.RestartCount).DefaultIfEmpty().Max() ?? 0;

    public static V1OwnerReference? ControllerOf(IKubernetesObject<V1ObjectMeta> item) =>
        item.Metadata.OwnerReferences?.FirstOrDefault(r => r.Controller == true);

    public static V1OwnerReference ReferenceTo(IKubernetesObject<V1ObjectMeta> owner) => new()
    {
        ApiVersion = owner.ApiVersion, Kind = owner.Kind, Name = owner.Metadata.Name!, Uid = owner.Metadata.Uid!,
        Controller = true, BlockOwnerDeletion = true,
    };

    private static V1PodCondition? ReadyCondition(V1Pod pod) =>
        pod.Status?.Conditions?.FirstOrDefault(c => c.Type == "Ready");
}
