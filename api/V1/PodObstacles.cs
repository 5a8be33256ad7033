using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>What of a pod stands in the way of its migration, as far as the object shows it.</summary>
/// <remarks>One place for the operator, which refuses by it, and the plug-in, which tells it beforehand.</remarks>
public static class PodObstacles
{
    /// <summary>Every obstacle, with its reason word; none where the pod can travel.</summary>
    public static IEnumerable<Obstacle> Of(V1Pod pod) =>
        NotRunning(pod).Select(message => new Obstacle(Reasons.PodNotRunning, message))
            .Concat(NotMigratable(pod).Select(message => new Obstacle(Reasons.PodNotMigratable, message)))
            .Concat(TooTight(pod).Select(message => new Obstacle(Reasons.FreezeTooShort, message)));

    private static IEnumerable<string> NotRunning(V1Pod pod)
    {
        var name = pod.Metadata.Name;
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            yield return $"pod {name} is terminating; only a running pod can be migrated";
        }
        else if (pod.Status?.Phase != "Running")
        {
            yield return $"pod {name} is {pod.Status?.Phase ?? "unknown"}; only a running pod can be migrated";
        }
        else
        {
            var still = pod.LivingContainers().Select(c => c.Name)
                .Except(pod.LivingStatuses().Where(s => s.State?.Running is not null).Select(s => s.Name)).ToList();
            if (still.Count > 0)
            {
                yield return $"container {string.Join(", ", still)} of pod {name} does not run; wait until all do";
            }
            else if (pod.IsOfReplicaSet() && !pod.IsReady())
            {
                // Of two pods a ReplicaSet gives up the one that is not ready, whatever else there is to say for it.
                yield return $"pod {name} is not ready, and its ReplicaSet would drop the restored pod for that; "
                    + "wait until it is";
            }
        }
    }

    private static IEnumerable<string> NotMigratable(V1Pod pod)
    {
        foreach (var obstacle in (pod.Spec.Volumes ?? []).Select(VolumeObstacles.Of).OfType<string>())
        {
            yield return obstacle;
        }

        foreach (var container in pod.LivingContainers().Where(c => IsNotEmpty(c.More, "volumeDevices")))
        {
            yield return $"container \"{container.Name}\" has volumeDevices, and a device that is open cannot be "
                + "dumped; use a volume with a file system";
        }

        if (IsNotEmpty(pod.Spec.More, "resourceClaims"))
        {
            yield return "spec.resourceClaims gives it devices of its node, whose state cannot be dumped; leave the "
                + "pod where it is";
        }

        if (IsTrue(pod, "hostIPC"))
        {
            yield return "spec.hostIPC is true: the target does not have this node's shared memory and semaphores; "
                + "set it to false";
        }

        if (Is(pod, "hostUsers", JsonValueKind.False))
        {
            yield return "spec.hostUsers is false: CRIU cannot join the network of a pod that has users of its own; "
                + "set it to true";
        }

        if (IsTrue(pod, "shareProcessNamespace"))
        {
            yield return "spec.shareProcessNamespace is true: processes of different containers cannot be told apart "
                + "when they are stopped and continued; set it to false";
        }

        foreach (var sidecar in pod.Sidecars().Where(c => c.More?.ContainsKey("startupProbe") == true))
        {
            yield return $"sidecar \"{sidecar.Name}\" has a startupProbe: kubelet would wait for it before it "
                + "restores the others, and they all go on together; remove the probe";
        }

        if (!pod.IsOfReplicaSet() && pod.Controller() is { } owner)
        {
            yield return $"it belongs to {owner.Kind} {owner.Name}, {Why(owner)}";
        }

        if (pod.IsOfReplicaSet()
            && !pod.IsOfDeployment()
            && pod.Spec.More?.TryGetValue("readinessGates", out var gates) == true
            && Json.Items(gates).Select(g => Json.Text(g, "conditionType")).ToList() is { Count: > 0 } named)
        {
            yield return $"spec.readinessGates waits for {string.Join(", ", named)}: their controller finds pods by "
                + "label, and the target of a pod of a ReplicaSet without a Deployment has none until it is ready; "
                + "remove them";
        }

        if (pod.Metadata.Labels?.TryGetValue(WellKnown.NameLabel, out var name) == true
            && name == WellKnown.OperatorName)
        {
            yield return "it is the operator itself, which cannot end its own migration while it stands still; "
                + "delete the pod, and its Deployment starts another one";
        }

        if (pod.Spec.HostNetwork == true)
        {
            yield return "spec.hostNetwork is true: the target does not have this node's network; set it to false";
        }

        if (pod.Spec.HostPID == true)
        {
            yield return "spec.hostPID is true: the target does not have this node's processes; set it to false";
        }

        if (pod.Metadata.Annotations?.TryGetValue(WellKnown.CriuConfig, out var options) == true)
        {
            yield return $"metadata.annotations \"{WellKnown.CriuConfig}\" is {options}: CRIU would take its options "
                + "from there, as root on the node; create the pod without it";
        }

        foreach (var container in pod.LivingContainers().Where(c => c.Tty == true))
        {
            yield return $"container \"{container.Name}\" has tty true: a terminal cannot be restored; set it to false";
        }
    }

    private static IEnumerable<string> TooTight(V1Pod pod)
    {
        if (Freeze.StrictestProbeOf(pod) is { } strictest && strictest.Allowed < Freeze.Least)
        {
            yield return $"{strictest.Probe} lets it stand still for {strictest.Allowed.TotalSeconds:0} s, and a "
                + $"migration takes up to {Freeze.Least.TotalSeconds:0} s; raise failureThreshold or periodSeconds";
        }
    }

    private static bool IsTrue(V1Pod pod, string field) => Is(pod, field, JsonValueKind.True);

    private static bool Is(V1Pod pod, string field, JsonValueKind kind) =>
        pod.Spec.More?.TryGetValue(field, out var value) == true && value.ValueKind == kind;

    private static bool IsNotEmpty(Dictionary<string, JsonElement>? more, string field) =>
        more?.TryGetValue(field, out var list) == true
        && list.ValueKind == JsonValueKind.Array
        && list.GetArrayLength() > 0;

    /// <summary>Why the pods of a controller stay where they are, and what to do.</summary>
    private static string Why(V1OwnerReference owner) => owner.Kind switch
    {
        "StatefulSet" =>
            "which knows its pods by their names, and the restored pod has another; delete the StatefulSet with "
                + "--cascade=orphan first, or let it start the pod elsewhere",
        "DaemonSet" =>
            "which has one pod on every node, and so nowhere to move this one to; cordon the node or change the "
                + "DaemonSet's nodeSelector",
        "Job" => "which would count the pod as failed and start it again; wait for its end",
        "Node" => "which runs it from a file of its own; move the file",
        _ =>
            "which would replace it; only pods without a controller and pods of a ReplicaSet, of a Deployment or "
                + "not, can be migrated",
    };
}
