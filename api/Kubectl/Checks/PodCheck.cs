using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What of a pod stands in its way, as far as the object shows it.</summary>
internal static class PodCheck
{
    public static IEnumerable<Finding> Of(V1Pod pod)
    {
        var obstacles = Obstacles(pod).Select(message => new Finding("pod", Verdict.No, message)).ToList();
        return obstacles.Count > 0
            ? obstacles
            : [new Finding("pod", Verdict.Ok, $"runs on {pod.Spec.NodeName}; {pod.Spec.Containers.Count} container(s), nothing that cannot travel")];
    }

    private static IEnumerable<string> Obstacles(V1Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            yield return "metadata.deletionTimestamp is set: the pod is being deleted";
        }

        if (pod.Status?.Phase != "Running")
        {
            yield return $"status.phase is {pod.Status?.Phase ?? "unknown"}: only a running pod can be moved";
        }

        var still = pod.Spec.Containers.Select(container => container.Name)
            .Except((pod.Status?.ContainerStatuses ?? []).Where(status => status.State?.Running is not null).Select(status => status.Name))
            .ToList();
        if (still.Count > 0 && pod.Status?.Phase == "Running")
        {
            yield return $"container {string.Join(", ", still)} does not run: wait until all do";
        }

        foreach (var volume in (pod.Spec.Volumes ?? []).Where(volume => volume.EmptyDir is not null || volume.HostPath is not null))
        {
            yield return $"spec.volumes \"{volume.Name}\" is {(volume.EmptyDir is not null ? "an emptyDir" : "a hostPath")}, "
                + "whose content does not travel yet: use a volume that both nodes can mount";
        }

        if (pod.Spec.More?.TryGetValue("shareProcessNamespace", out var shared) == true && shared.ValueKind == JsonValueKind.True)
        {
            yield return "spec.shareProcessNamespace is true: processes of different containers cannot be told apart; set it to false";
        }

        foreach (var sidecar in (pod.Spec.InitContainers ?? []).Where(container => container.RestartPolicy == "Always"))
        {
            yield return $"init container \"{sidecar.Name}\" has restartPolicy Always: sidecars cannot be moved yet; make it a container";
        }

        if (pod.Metadata.OwnerReferences?.FirstOrDefault(reference => reference.Controller == true) is { } owner)
        {
            yield return $"it belongs to {owner.Kind} \"{owner.Name}\", which would replace it: only pods without a controller can be moved yet";
        }

        if (pod.Spec.HostNetwork == true)
        {
            yield return "spec.hostNetwork is true: the target does not have this node's network";
        }

        if (pod.Spec.HostPID == true)
        {
            yield return "spec.hostPID is true: the target does not have this node's processes";
        }

        foreach (var container in pod.Spec.Containers.Where(container => container.Tty == true))
        {
            yield return $"container \"{container.Name}\" has tty true: a terminal cannot be restored";
        }
    }
}
