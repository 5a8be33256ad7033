using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

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

    /// <summary>Whether a content was created by a call that came when its claim had gone: one that is bound by its very name,
    /// holds nothing yet, and is not to outlive its claim.</summary>
    /// <param name="cluster">Is asked for the claim as the API server has it.</param>
    /// <param name="content">The content.</param>
    /// <param name="prefix">What contents that the operator makes are called, before the claim's uid.</param>
    /// <param name="reference">The claim.</param>
    /// <param name="deletionPolicy">The content's own.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<bool> IsLateAsync<TClaim>(
        this ICluster cluster,
        IKubernetesObject<V1ObjectMeta> content,
        string prefix,
        ClaimReference reference,
        string? deletionPolicy,
        CancellationToken cancellationToken)
        where TClaim : class, IKubernetesObject<V1ObjectMeta> =>
        reference.Uid is { } uid && content.Metadata.Name == prefix + uid && !IsRetained(deletionPolicy)
        && (await cluster.ReadAsync<TClaim>(new ObjectKey(reference.NamespaceProperty, reference.Name), cancellationToken))?.Metadata.Uid != uid;

    /// <summary>Whether bytes outlive their claim: whoever says Retain is heard.</summary>
    public static bool IsRetained(params string?[] policies) => policies.Contains(DeletionPolicies.Retain);
}
