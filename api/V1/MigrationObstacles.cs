using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>What of a migration's specification stands in its way, as far as it and the pod show it.</summary>
/// <remarks>One place for the operator, which refuses by it, and the plug-in, which tells it beforehand.</remarks>
public static class MigrationObstacles
{
    /// <summary>Every obstacle, with its field; none where there is none.</summary>
    /// <param name="spec">The specification.</param>
    /// <param name="pod">The pod, where it exists.</param>
    public static IEnumerable<FieldObstacle> Of(PodMigrationSpec spec, V1Pod? pod)
    {
        foreach (var message in pod is null ? [] : PodAddress.Obstacles(pod, spec.TcpPolicy))
        {
            yield return new("tcpPolicy", Reasons.AddressNotKept, message);
        }

        if (spec.OnFailure == OnFailurePolicies.Leave && pod is not null && Freeze.AllowedFor(pod) is { } longest)
        {
            yield return new(
                "onFailure",
                Reasons.PodNotMigratable,
                "onFailure: Leave would keep the pod stopped, and its liveness probes kill it after "
                + $"{longest.TotalSeconds:0} s; use Rollback");
        }

        if (spec.OnFailure == OnFailurePolicies.ColdStart
            && pod?.Controller() is { } owner)
        {
            yield return new(
                "onFailure",
                Reasons.PodNotMigratable,
                $"onFailure: ColdStart would start a pod beside the one that {owner.Kind} {owner.Name} starts when the "
                + "source goes; use Rollback");
        }
    }
}

/// <summary>What a field of a specification asks for, and cannot be.</summary>
/// <param name="Field">The field's name.</param>
/// <param name="Reason">A word of <see cref="Reasons"/>.</param>
/// <param name="Message">What it is, and what to do about it.</param>
public sealed record FieldObstacle(string Field, string Reason, string Message) : Obstacle(Reason, Message);
