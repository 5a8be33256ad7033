using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Kubectl.Cluster;
using PodCheckpointing.Kubectl.Following;
using PodCheckpointing.Kubectl.Output;

namespace PodCheckpointing.Kubectl.Commands;

/// <summary>The pods of a node that is to be emptied, and what a drain has to do with each.</summary>
/// <param name="Node">The node.</param>
/// <param name="Namespace">Only pods of this one; null for all.</param>
/// <param name="Selector">Only pods with these labels; null for all.</param>
internal sealed record NodePods(string Node, string? Namespace, string? Selector)
{
    private const string StaticPod = "kubernetes.io/config.mirror";

    /// <summary>The flags by which only some of them are meant; empty where all are.</summary>
    public string Flags =>
        ((Namespace is null ? "" : $"-n {Namespace} ") + (Selector is null ? "" : $"--selector '{Selector}'"))
            .TrimEnd();

    /// <summary>How the server finds them.</summary>
    public ListOptions Which =>
        new() { Namespace = Namespace, FieldSelector = $"spec.nodeName={Node}", LabelSelector = Selector };

    /// <summary>All of them, by name.</summary>
    public async Task<List<V1Pod>> ReadAsync(IKubernetes client, CancellationToken cancellationToken) =>
        [.. (await client.AllAsync<V1Pod>(Which, cancellationToken)).OrderBy(PodMove.NameOf, StringComparer.Ordinal)];

    /// <summary>The migrations of where the pods are.</summary>
    public Task<List<PodMigration>> MigrationsAsync(IKubernetes client, CancellationToken cancellationToken) =>
        client.AllAsync<PodMigration>(new ListOptions { Namespace = Namespace }, cancellationToken);

    /// <summary>Why a pod holds up no drain, as kubectl sees it too; null where it does.</summary>
    public static string? WhyIgnored(V1Pod pod) =>
        pod.Status?.Phase is "Succeeded" or "Failed" ? $"finished ({pod.Status.Phase})"
        : pod.Metadata.Annotations?.ContainsKey(StaticPod) == true ? "static pod"
        : pod.Controller() is { Kind: "DaemonSet" } owner ? $"DaemonSet {owner.Name}"
        : null;

    /// <summary>The migration that moves a pod now, whoever has begun it, or that brings it here.</summary>
    public static PodMigration? UnderWay(V1Pod pod, IEnumerable<PodMigration> migrations) =>
        migrations.FirstOrDefault(migration =>
            migration.Metadata.NamespaceProperty == pod.Metadata.NamespaceProperty
            && (migration.Spec.PodName == pod.Metadata.Name ? IsOf(pod, migration) : Brings(pod, migration))
            && migration.Spec.DryRun != true && !MigrationText.HasEnded(migration));

    /// <summary>Whether a pod is a migration's target, which may be moved on when that has ended.</summary>
    public static bool Brings(V1Pod pod, PodMigration migration) =>
        migration.Status?.RestoredPodName == pod.Metadata.Name && migration.Spec.PodName != pod.Metadata.Name;

    private static bool IsOf(V1Pod pod, PodMigration migration) =>
        // Of a namesake, it is about to fail.
        (migration.Status?.PodUID ?? migration.Spec.PodUID ?? pod.Metadata.Uid) == pod.Metadata.Uid;

    /// <summary>What of a pod the operator would refuse, as far as the object shows
    /// it; null where nothing does.</summary>
    public static string? WhyStays(V1Pod pod, PodMigrationSpec spec)
    {
        var found = PodObstacles.Of(pod).Concat(MigrationObstacles.Of(spec, pod))
            .GroupBy(obstacle => obstacle.Reason, obstacle => obstacle.Message).ToList();
        return found.Count == 0
            ? null
            : string.Join("; ", found.Select(group => $"{group.Key}: {string.Join("; ", group)}"));
    }
}
