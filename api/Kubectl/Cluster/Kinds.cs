using System.Text.Json;
using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>A Deployment, as far as its pods are to be found.</summary>
[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "Deployment", PluralName = "deployments")]
internal sealed record Deployment : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; init; } = "apps/v1";

    public string Kind { get; init; } = "Deployment";

    public V1ObjectMeta Metadata { get; init; } = new();

    public DeploymentSpec Spec { get; init; } = new();
}

/// <summary>What a Deployment wants.</summary>
internal sealed record DeploymentSpec
{
    public LabelSelector Selector { get; init; } = new();

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

/// <summary>A ReplicaSet, which stands between a Deployment and its pods.</summary>
[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "ReplicaSet", PluralName = "replicasets")]
internal sealed record ReplicaSet : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; init; } = "apps/v1";

    public string Kind { get; init; } = "ReplicaSet";

    public V1ObjectMeta Metadata { get; init; } = new();
}

/// <summary>A way to run containers.</summary>
[KubernetesEntity(
    Group = "node.k8s.io", ApiVersion = "v1", Kind = "RuntimeClass", PluralName = "runtimeclasses", Namespaced = false)]
internal sealed record RuntimeClass : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; init; } = "node.k8s.io/v1";

    public string Kind { get; init; } = "RuntimeClass";

    public V1ObjectMeta Metadata { get; init; } = new();
}

/// <summary>A question of what the user may do.</summary>
[KubernetesEntity(
    Group = "authorization.k8s.io", ApiVersion = "v1", Kind = "SelfSubjectAccessReview",
    PluralName = "selfsubjectaccessreviews", Namespaced = false)]
internal sealed record SelfSubjectAccessReview : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; init; } = "authorization.k8s.io/v1";

    public string Kind { get; init; } = "SelfSubjectAccessReview";

    public V1ObjectMeta Metadata { get; init; } = new();

    public AccessReviewSpec Spec { get; init; } = new();

    public AccessReviewStatus? Status { get; init; }
}

/// <summary>What is asked.</summary>
internal sealed record AccessReviewSpec
{
    public ResourceAttributes ResourceAttributes { get; init; } = new();
}

/// <summary>One thing that is done to objects.</summary>
internal sealed record ResourceAttributes
{
    /// <summary>Null for all of them, or where there is none.</summary>
    public string? Namespace { get; init; }

    public string Verb { get; init; } = "";

    public string Group { get; init; } = "";

    public string Resource { get; init; } = "";

    /// <summary>Null for all of them.</summary>
    public string? Name { get; init; }
}

/// <summary>The answer.</summary>
internal sealed record AccessReviewStatus
{
    public bool Allowed { get; init; }
}

/// <summary>Which labels are meant.</summary>
internal sealed record LabelSelector
{
    public IDictionary<string, string>? MatchLabels { get; init; }

    public IList<LabelRequirement>? MatchExpressions { get; init; }

    /// <summary>As a query has it.</summary>
    public override string ToString() => string.Join(',', [
        .. (MatchLabels ?? new Dictionary<string, string>()).Select(pair => $"{pair.Key}={pair.Value}"),
        .. (MatchExpressions ?? []).Select(requirement => requirement.ToString()),
    ]);
}

/// <summary>One requirement of a selector.</summary>
internal sealed record LabelRequirement
{
    public string Key { get; init; } = "";

    public string Operator { get; init; } = "";

    public IList<string>? Values { get; init; }

    public override string ToString() => Operator switch
    {
        "In" => $"{Key} in ({string.Join(',', Values ?? [])})",
        "NotIn" => $"{Key} notin ({string.Join(',', Values ?? [])})",
        "Exists" => Key,
        _ => "!" + Key,
    };
}
