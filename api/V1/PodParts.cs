using System.Text.Json;
using System.Text.Json.Nodes;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>What of a pod is checkpointed: everything that lives as long as it does.</summary>
public static class PodParts
{
    /// <summary>The name of the field of containers for debugging, which no new pod may have.</summary>
    public const string EphemeralField = "ephemeralContainers";

    /// <summary>The name of the field of what a runtime class takes for itself: the API server
    /// refuses it under another class.</summary>
    public const string OverheadField = "overhead";

    /// <summary>Sidecars (init containers that restart), then containers: the order in
    /// which kubelet starts them.</summary>
    public static IEnumerable<V1Container> LivingContainers(this V1Pod pod) =>
        pod.Sidecars().Concat(pod.Spec.Containers);

    /// <summary>Init containers that restart, and so run beside the others (KEP-753).</summary>
    public static IEnumerable<V1Container> Sidecars(this V1Pod pod) =>
        (pod.Spec.InitContainers ?? []).Where(c => c.RestartPolicy == "Always");

    /// <summary>What kubelet says of them.</summary>
    public static IEnumerable<V1ContainerStatus> LivingStatuses(this V1Pod pod)
    {
        var sidecars = pod.Sidecars().Select(c => c.Name).ToHashSet();
        return (pod.Status?.InitContainerStatuses ?? []).Where(s => sidecars.Contains(s.Name)).Concat(
            pod.Status?.ContainerStatuses ?? []);
    }

    /// <summary>Whether kubelet says that the pod is ready to serve.</summary>
    public static bool IsReady(this V1Pod pod) =>
        pod.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true;

    /// <summary>Who manages the pod, and would replace it; null where nobody does.</summary>
    public static V1OwnerReference? Controller(this V1Pod pod) =>
        pod.Metadata.OwnerReferences?.FirstOrDefault(r => r.Controller == true);

    /// <summary>Whether that is a ReplicaSet, of a Deployment or not, which lets one
    /// of its pods become another.</summary>
    public static bool IsOfReplicaSet(this V1Pod pod) =>
        pod.Controller() is { Kind: "ReplicaSet" } owner
        && owner.ApiVersion.StartsWith("apps/", StringComparison.Ordinal);

    /// <summary>Label of a Deployment's pods, which the selectors of its ReplicaSets ask for.</summary>
    public const string TemplateHash = "pod-template-hash";

    /// <summary>Whether a pod's ReplicaSet is a Deployment's, so that it does not know a pod without
    /// <see cref="TemplateHash"/>.</summary>
    public static bool IsOfDeployment(this V1Pod pod) =>
        pod.IsOfReplicaSet() && pod.Metadata.Labels?.TryGetValue(TemplateHash, out var hash) == true
        && pod.Controller()!.Name.EndsWith("-" + hash, StringComparison.Ordinal);

    /// <summary>A container as it is restored. The hook has run in the process that goes on; a second run would be a
    /// change nobody asked for.</summary>
    public static V1Container WithoutPostStart(this V1Container container) =>
        container.More?.TryGetValue("lifecycle", out var lifecycle) == true
        && JsonObject.Create(lifecycle) is { } hooks
        && hooks.Remove("postStart")
            ? container with
            {
                More = new Dictionary<string, JsonElement>(container.More)
                {
                    ["lifecycle"] = JsonSerializer.SerializeToElement(hooks),
                },
            }
            : container;

    /// <summary>Names of the volumes whose content lives and dies with the pod.</summary>
    public static IReadOnlyList<string> EmptyDirs(this V1Pod pod) =>
        [.. (pod.Spec.Volumes ?? []).Where(v => v.EmptyDir is not null).Select(v => v.Name)];

    /// <summary>Names of containers that somebody has put in for debugging; they are in no checkpoint.</summary>
    public static IReadOnlyList<string> EphemeralContainers(this V1Pod pod) =>
        pod.Spec.More?.TryGetValue(EphemeralField, out var list) == true && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Select(c => c.GetProperty("name").GetString()!)]
            : [];
}
