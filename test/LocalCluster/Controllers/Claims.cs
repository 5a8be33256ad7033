using k8s.Models;

namespace PodCheckpointing.TestControllers;

internal enum Claim
{
    /// <summary>Somebody else's, or nobody's and not wanted.</summary>
    Ignore,
    Keep,
    Adopt,
    Release,
}

/// <summary>kube-controller-manager's ControllerRefManager: whose pod is it?</summary>
internal static class Claims
{
    public static Claim Of(V1ReplicaSet set, V1Pod pod)
    {
        var matches = set.Spec.Selector.Matches(pod.Metadata.Labels);
        var going = set.Metadata.DeletionTimestamp is not null;
        if (Pods.ControllerOf(pod) is { } owner)
        {
            return owner.Uid != set.Metadata.Uid
                ? Claim.Ignore
                : matches ? Claim.Keep : going ? Claim.Ignore : Claim.Release;
        }

        return matches && !going && pod.Metadata.DeletionTimestamp is null ? Claim.Adopt : Claim.Ignore;
    }
}
