using System.Text.Json;
using System.Text.Json.Serialization;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Cluster;

/// <summary>Has the server do all of a creation but the storing.</summary>
/// <remarks>The client has no parameter for it, so a kind of its own carries it in its place in the URL.</remarks>
internal static class DryRun
{
    public static async Task<T> CreateAsync<T>(IKubernetes client, T item, CancellationToken cancellationToken)
        where T : IKubernetesObject<V1ObjectMeta> =>
        item switch
        {
            PodMigration => await CreateAsync<T, PodMigrationDryRun>(client, item, cancellationToken),
            PodCheckpoint => await CreateAsync<T, PodCheckpointDryRun>(client, item, cancellationToken),
            V1Pod => await CreateAsync<T, PodDryRun>(client, item, cancellationToken),
            _ => throw new NotSupportedException(typeof(T).Name),
        };

    private static async Task<T> CreateAsync<T, TDryRun>(IKubernetes client, T item, CancellationToken cancellationToken)
        where TDryRun : AnyObject
    {
        var tried = await client.CreateAsync(KubernetesJson.Deserialize<TDryRun>(KubernetesJson.Serialize(item)), cancellationToken);
        return KubernetesJson.Deserialize<T>(KubernetesJson.Serialize(tried));
    }

    internal abstract record AnyObject : IKubernetesObject<V1ObjectMeta>
    {
        public string ApiVersion { get; init; } = "";

        public string Kind { get; init; } = "";

        public V1ObjectMeta Metadata { get; init; } = new();

        [JsonExtensionData]
        public Dictionary<string, JsonElement>? More { get; set; }
    }

    [KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodMigration", PluralName = "podmigrations?dryRun=All")]
    private sealed record PodMigrationDryRun : AnyObject;

    [KubernetesEntity(Group = ApiGroup.Name, ApiVersion = ApiGroup.Version, Kind = "PodCheckpoint", PluralName = "podcheckpoints?dryRun=All")]
    private sealed record PodCheckpointDryRun : AnyObject;

    [KubernetesEntity(Kind = "Pod", PluralName = "pods?dryRun=All")]
    private sealed record PodDryRun : AnyObject;
}
