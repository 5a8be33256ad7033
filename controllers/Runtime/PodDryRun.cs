using k8s;
using k8s.Models;

namespace PodCheckpointing.Runtime;

/// <summary>A pod for which the server is to do all of its creation but the storing.</summary>
/// <remarks>The client has no parameter for it, so a kind of its own carries it in its place in the URL.</remarks>
[KubernetesEntity(Kind = "Pod", PluralName = "pods?dryRun=All")]
internal sealed record PodDryRun : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; init; } = "v1";

    public string Kind { get; init; } = "Pod";

    public V1ObjectMeta Metadata { get; init; } = new();

    public V1PodSpec Spec { get; init; } = new();
}
