using System.Text.Json;
using System.Text.Json.Serialization;
using k8s;
using k8s.Models;

namespace PodCheckpointing.TestControllers;

[KubernetesEntity(Group = "apps", Kind = "Deployment", PluralName = "deployments")]
internal sealed record V1Deployment : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; init; } = "apps/v1";

    public string Kind { get; init; } = "Deployment";

    public V1ObjectMeta Metadata { get; init; } = new();

    public WorkloadSpec Spec { get; init; } = new();

    public DeploymentStatus? Status { get; init; }
}

[KubernetesEntity(Group = "apps", Kind = "ReplicaSet", PluralName = "replicasets")]
internal sealed record V1ReplicaSet : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; init; } = "apps/v1";

    public string Kind { get; init; } = "ReplicaSet";

    public V1ObjectMeta Metadata { get; init; } = new();

    public WorkloadSpec Spec { get; init; } = new();

    public ReplicaSetStatus? Status { get; init; }
}

internal sealed record WorkloadSpec
{
    public int? Replicas { get; init; }

    public LabelSelector Selector { get; init; } = new();

    public PodTemplate Template { get; init; } = new();

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }
}

internal sealed record LabelSelector
{
    public IDictionary<string, string> MatchLabels { get; init; } = new Dictionary<string, string>();

    // An empty selector would match everything; the API server of a whole cluster refuses it.
    public bool Matches(IDictionary<string, string>? labels) =>
        MatchLabels.Count > 0
        && MatchLabels.All(l => labels?.TryGetValue(l.Key, out var value) == true && value == l.Value);
}

internal sealed record PodTemplate
{
    public V1ObjectMeta Metadata { get; init; } = new();

    public V1PodSpec Spec { get; init; } = new();
}

internal sealed record ReplicaSetStatus
{
    public long ObservedGeneration { get; init; }

    public int Replicas { get; init; }

    public int FullyLabeledReplicas { get; init; }

    public int ReadyReplicas { get; init; }

    public int AvailableReplicas { get; init; }
}

internal sealed record DeploymentStatus
{
    public long ObservedGeneration { get; init; }

    public int Replicas { get; init; }

    public int UpdatedReplicas { get; init; }

    public int ReadyReplicas { get; init; }

    public int AvailableReplicas { get; init; }
}
