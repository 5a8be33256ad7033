using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>What the operator says, on the pod, became of its restore.</summary>
public static class RestoreOutcome
{
    /// <summary>Its words; null while it says nothing, or where what stands there is of the pod whose manifest this one
    /// was made of.</summary>
    public static string? Of(V1Pod pod) =>
        pod.Metadata.Annotations is { } annotations
        && annotations.TryGetValue(WellKnown.RestoreOutcome, out var outcome)
        // Earlier operators did not say of which pod.
        && (!annotations.TryGetValue(WellKnown.RestoreOutcomeOf, out var uid) || uid == pod.Metadata.Uid)
            ? outcome
            : null;

    /// <summary>The annotations that say it.</summary>
    public static Dictionary<string, string> For(V1Pod pod, string outcome) => new()
    {
        [WellKnown.RestoreOutcome] = outcome, [WellKnown.RestoreOutcomeOf] = pod.Metadata.Uid!,
    };
}
