using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>What of a specification the operator will refuse.</summary>
internal static class SpecCheck
{
    public static IEnumerable<Finding> Of(PodMigrationSpec spec, V1Pod? pod) =>
        MigrationObstacles.Of(spec, pod)
            .Select(obstacle => new Finding(OptionOf(obstacle.Field), Verdict.No, obstacle.Message));

    private static string OptionOf(string field) => field switch
    {
        "tcpPolicy" => "--tcp-policy",
        "onFailure" => "--on-failure",
        _ => field,
    };
}
