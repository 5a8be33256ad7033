using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Whether a Service has followed a pod.</summary>
internal static class ServiceSwitch
{
    /// <summary>What its endpoints still lack; null when they lead to the restored pod and not to the source.</summary>
    public static string? Missing(IReadOnlyList<V1Endpoint> endpoints, string service, PodMigrationStatus status)
    {
        // Absent means yes, as everywhere that endpoints are read.
        var leads = endpoints.Any(e => e.TargetRef?.Uid == status.RestoredPodUID && e.Conditions?.Ready != false);
        var still = endpoints.Any(e => e.TargetRef?.Uid == status.PodUID);
        return (leads, still) switch
        {
            (false, true) => $"Service {service} leads to the source and not to pod {status.RestoredPodName} yet",
            (false, false) => $"Service {service} does not lead to pod {status.RestoredPodName} yet",
            (true, true) => $"Service {service} still lists the source",
            _ => null,
        };
    }
}
