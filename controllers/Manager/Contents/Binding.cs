using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.Contents;

/// <summary>How contents and claims point at each other.</summary>
internal static class Binding
{
    /// <summary>The Bound condition of a content, by what its reference says and the claim that it has found.</summary>
    public static IList<V1Condition> WithBound(
        this IList<V1Condition>? conditions,
        IKubernetesObject<V1ObjectMeta> content,
        ClaimReference reference,
        IKubernetesObject<V1ObjectMeta>? claim,
        TimeProvider time)
    {
        var named = $"{reference.NamespaceProperty}/{reference.Name}";
        var (value, reason, message) = (reference.Uid, claim) switch
        {
            (null, _) => ("False", Reasons.Available, $"offered to {named}"),
            (_, null) => ("False", Reasons.Released, $"{named} is gone; offer it to another claim by setting the reference without a uid"),
            _ => ("True", Reasons.Bound, $"bound to {named}"),
        };
        return conditions.With(
            ConditionTypes.Bound, value, reason, message, content.Metadata.Generation, time.GetUtcNow().UtcDateTime);
    }

    /// <summary>Whether bytes outlive their claim: whoever says Retain is heard.</summary>
    public static bool IsRetained(params string?[] policies) => policies.Contains(DeletionPolicies.Retain);
}
