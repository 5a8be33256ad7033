using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Checks;

/// <summary>Whether both nodes can have the volumes that a pod claims.</summary>
internal static class VolumeCheck
{
    /// <summary>A claim that may not be read.</summary>
    public static Finding Unread(MountedClaim claim) => new(
        SubjectOf(claim), Verdict.Unknown,
        $"you may not read claim {claim.Name} or its volume: whether two nodes can have it at once is not known");

    /// <param name="claim">The claim, as it was read.</param>
    /// <param name="target">The node to go to; null: the operator chooses among those that reach the volume.</param>
    /// <param name="seen">Whether the volume behind it could be read, too.</param>
    public static Finding Of(MountedClaim claim, V1Node? target, bool seen) =>
        (claim.Obstacle() ?? (target is null ? null : claim.Obstacle(target))) is { } why
            ? new Finding(SubjectOf(claim), Verdict.No, why.Message)
            : !seen ? new Finding(
                SubjectOf(claim),
                Verdict.Unknown,
                $"claim {claim.Name} is for several nodes; which ones reach it you may not read")
            : new Finding(SubjectOf(claim), Verdict.Ok, $"claim {claim.Name} can be mounted by both nodes");

    private static string SubjectOf(MountedClaim claim) => $"volume {claim.Volume}";
}
