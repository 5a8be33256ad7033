using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Why the endpoints of a Service will never lead to a pod.</summary>
/// <remarks>One place for the operator, which refuses by it, and the plug-in, which tells it beforehand.</remarks>
public static class ServiceObstacles
{
    /// <summary>The obstacle, or null where the Service follows the pod by its labels.</summary>
    /// <param name="service">The Service as the server has it; null: it does not exist.</param>
    /// <param name="name">The Service's name.</param>
    /// <param name="pod">The pod that moves.</param>
    public static string? Of(V1Service? service, string name, V1Pod pod)
    {
        if (service is null)
        {
            return $"Service {name} does not exist in namespace {pod.Metadata.NamespaceProperty}";
        }

        if (service.Spec is not { Type: not "ExternalName", Selector: { Count: > 0 } selector })
        {
            return $"Service {name} has no selector, so its endpoints are not made from pods; leave serviceName away";
        }

        var missing =
            selector.Where(s => pod.Metadata.Labels?.TryGetValue(s.Key, out var value) != true || value != s.Value)
                .Select(s => $"{s.Key}={s.Value}").ToList();
        return missing.Count == 0
            ? null
            : $"Service {name} selects {string.Join(",", missing)}, which the labels of pod {pod.Metadata.Name} do "
                + "not have";
    }
}
