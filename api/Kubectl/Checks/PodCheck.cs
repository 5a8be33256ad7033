using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What of a pod stands in its way, as far as the object shows it.</summary>
internal static class PodCheck
{
    public static IEnumerable<Finding> Of(V1Pod pod)
    {
        var obstacles =
            PodObstacles.Of(pod).Select(obstacle => new Finding("pod", Verdict.No, obstacle.Message)).ToList();
        return obstacles.Count > 0
            ? obstacles
            : [new Finding(
                "pod",
                Verdict.Ok,
                $"runs on {pod.Spec.NodeName}; {pod.LivingContainers().Count()} container(s), nothing that cannot "
                    + "travel")];
    }
}
