using System.Text.Json;
using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Simulation;

/// <summary>A ReplicaSet of one pod, and its controller: it gives up pods that are too many in the order that the real
/// one does, and makes those that are missing.</summary>
/// <remarks>Where a play takes no pod and no node away, none is ever missing, and the one that a migration has brought
/// up is never given up.</remarks>
/// <param name="server">The cluster.</param>
/// <param name="hash">The pod-template-hash, where it is a Deployment's; null: it has no Deployment.</param>
internal sealed class ReplicaSet(SimulatedServer server, string? hash)
{
    private const string Uid = "rs-uid";

    public Dictionary<string, string> Labels() =>
        hash is null ? new() { ["app"] = "x" } : new() { ["app"] = "x", [PodParts.TemplateHash] = hash };

    public V1OwnerReference Owner() => new() { ApiVersion = "apps/v1", Kind = "ReplicaSet", Name = hash is null
        ? "rs"
        : $"rs-{hash}", Uid = Uid, Controller = true };

    public bool Has(V1Pod pod) => pod.Controller()?.Uid == Uid && Selects(pod);

    /// <summary>What its controller would do now. It sees every write in its order, some time later.</summary>
    public IEnumerable<(string Name, Action Do)> Acts(List<string> violations)
    {
        var pods = server.All<V1Pod>()
            .Where(p => p.Metadata.DeletionTimestamp is null && p.Status?.Phase is not ("Succeeded" or "Failed"))
            .ToList();
        if (pods.Find(p => Selects(p) && p.Controller() is null) is { } stray)
        {
            yield return ($"replica set adopts {stray.Metadata.Name}", () => server.Edit(stray, json =>
                json["metadata"]!["ownerReferences"] = JsonSerializer.SerializeToNode<V1OwnerReference[]>(
                    [Owner()], KubernetesJson.Options)));
            yield break;
        }

        var mine = pods.Where(Has).ToList();
        if (mine.Count == 0)
        {
            yield return ("replica set creates a pod", () => violations.Add("its ReplicaSet makes another pod"));
        }
        else if (mine.Count > 1)
        {
            var extra = mine.OrderBy(p => p.Status?.Phase == "Running" ? 1 : 0)
                .ThenBy(p => p.IsReady() ? 1 : 0)
                .ThenBy(Cost)
                .ThenByDescending(p => p.Metadata.CreationTimestamp).First();
            yield return ($"replica set gives {extra.Metadata.Name} up", () =>
            {
                var migrations = server.All<PodMigration>().ToList();
                if (migrations.Exists(m => m.Status?.RestoredPodUID == extra.Metadata.Uid)
                    && !migrations.Exists(m => m.Status?.PodUID == extra.Metadata.Uid))
                {
                    violations.Add($"its ReplicaSet gives up the restored pod {extra.Metadata.Name}");
                }

                server.Delete(extra);
            });
        }
    }

    private bool Selects(V1Pod pod) =>
        Labels().All(l => pod.Metadata.Labels?.TryGetValue(l.Key, out var value) == true && value == l.Value);

    private static int Cost(V1Pod pod) =>
        pod.Metadata.Annotations?.TryGetValue(WellKnown.DeletionCost, out var cost) == true
            ? int.Parse(cost, System.Globalization.CultureInfo.InvariantCulture)
            : 0;
}
