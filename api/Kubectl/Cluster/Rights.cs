using System.Reflection;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>What the user may do, as <c>kubectl auth can-i</c> asks it.</summary>
internal static class Rights
{
    /// <summary>Whether the user may; also where the server does not say.</summary>
    /// <param name="client">The cluster.</param>
    /// <param name="verb">The API's word for it.</param>
    /// <param name="namespaceName">Where; null for all namespaces, and for a kind that has none.</param>
    /// <param name="name">Which one; null for all.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<bool> MayAsync<T>(
        this IKubernetes client, string verb, string? namespaceName, string? name, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var kind = KindOf<T>();
        var question = new SelfSubjectAccessReview
        {
            Spec = new AccessReviewSpec
            {
                ResourceAttributes = new ResourceAttributes
                {
                    Verb = verb,
                    Group = kind.Group,
                    Resource = kind.PluralName,
                    Namespace = namespaceName,
                    Name = name,
                },
            },
        };
        try
        {
            return (await client.CreateAsync(question, cancellationToken)).Status?.Allowed != false;
        }
        catch (KubernetesException)
        {
            // Then the request itself will tell.
            return true;
        }
    }

    /// <summary>A kind as kubectl names it in a refusal, with its group.</summary>
    public static string NameOf<T>() =>
        KindOf<T>() is { Group.Length: > 0 } kind ? $"{kind.PluralName}.{kind.Group}" : KindOf<T>().PluralName;

    private static KubernetesEntityAttribute KindOf<T>() => typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()!;
}
