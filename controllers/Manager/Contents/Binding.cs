using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>How contents and claims point at each other.</summary>
internal static class Binding
{
    /// <summary>How a content points at its claim: by the uid, too, for a name alone proves nothing.</summary>
    public static ClaimReference ReferenceTo(IKubernetesObject<V1ObjectMeta> claim) => new()
    {
        NamespaceProperty = claim.Metadata.NamespaceProperty!,
        Name = claim.Metadata.Name!,
        Uid = claim.Metadata.Uid,
    };

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
            (_, null) => (
                "False",
                Reasons.Released,
                $"{named} is gone; offer it to another claim by setting the reference without a uid"),
            _ => ("True", Reasons.Bound, $"bound to {named}"),
        };
        return conditions.With(
            ConditionTypes.Bound, value, reason, message, content.Metadata.Generation, time.GetUtcNow().UtcDateTime);
    }

    /// <summary>The claim that a content is bound to; null where it is bound to none, or that has gone.</summary>
    /// <remarks>Read where it is not seen: a view that lags behind would have the content released, or looked for on
    /// the volume, while it is made.</remarks>
    public static async Task<TClaim?> FindClaimAsync<TClaim>(
        this ICluster cluster, ClaimReference reference, CancellationToken cancellationToken)
        where TClaim : class, IKubernetesObject<V1ObjectMeta>
    {
        if (reference.Uid is not { } uid)
        {
            return null;
        }

        var key = new ObjectKey(reference.NamespaceProperty, reference.Name);
        var claim = await cluster.FindOrReadAsync<TClaim>(key, c => c.Metadata.Uid == uid, cancellationToken);
        return claim?.Metadata.Uid == uid ? claim : null;
    }

    /// <summary>Why a content that is being deleted must stay for now: its claim is there to stay, or waits itself for
    /// who needs the bytes; null where it may go.</summary>
    public static string? WhyHeld(ICluster cluster, PodCheckpoint? claim) => claim switch
    {
        null => null,
        { Metadata.DeletionTimestamp: null } => IsBoundTo(claim),
        _ => Owners.WhyNeeded(claim, cluster),
    };

    /// <summary>Why a container's content that is being deleted must stay for now; null where it may go.</summary>
    public static string? WhyHeld(ICluster cluster, ContainerCheckpoint? claim) => claim switch
    {
        null => null,
        { Metadata.DeletionTimestamp: null } => IsBoundTo(claim),
        _ => Owners.WhyNeeded(claim, cluster),
    };

    private static string IsBoundTo(IKubernetesObject<V1ObjectMeta> claim) =>
        $"{claim.Kind} {claim.Metadata.NamespaceProperty}/{claim.Metadata.Name} is bound to it: delete that instead";

    /// <summary>Whether a content without a claim was created by a call that came when that had gone: one that is bound
    /// by its very name, and is not to outlive its claim.</summary>
    /// <param name="content">The content, which holds nothing yet.</param>
    /// <param name="nameFor">How the operator calls the content that it makes for a claim's uid.</param>
    /// <param name="reference">The claim.</param>
    /// <param name="deletionPolicy">The content's own.</param>
    public static bool IsLate(
        IKubernetesObject<V1ObjectMeta> content,
        Func<string, string> nameFor,
        ClaimReference reference,
        string? deletionPolicy) =>
        reference.Uid is { } uid && content.Metadata.Name == nameFor(uid) && !IsRetained(deletionPolicy);

    /// <summary>Whether bytes outlive their claim: whoever says Retain is heard.</summary>
    public static bool IsRetained(params string?[] policies) => policies.Contains(DeletionPolicies.Retain);
}
