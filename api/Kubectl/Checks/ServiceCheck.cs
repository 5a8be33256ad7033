using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>Whether a Service will lead to the restored pod.</summary>
internal static class ServiceCheck
{
    /// <param name="service">The Service; null: it does not exist.</param>
    /// <param name="name">Its name.</param>
    /// <param name="pod">The pod that moves.</param>
    public static Finding Of(V1Service? service, string name, V1Pod pod) =>
        ServiceObstacles.Of(service, name, pod) is { } why
            ? new Finding("--service", Verdict.No, why)
            : new Finding(
                "--service", Verdict.Ok, $"Service {name} selects the labels of the pod, which the restored pod keeps");
}
