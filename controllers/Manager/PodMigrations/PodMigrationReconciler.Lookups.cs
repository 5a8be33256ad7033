using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <content>Finds the objects of a migration, and begins its calls.</content>
internal sealed partial class PodMigrationReconciler
{
    private T? Ask<T>(
        MigrationScope scope, string call, string node, Func<ICheckpointAgent, CancellationToken, Task<T>> body)
        where T : class
    {
        var agent = agents.Find(node)
            ?? throw new AgentException(Reasons.AgentUnavailable, $"node {node} does not exist or has no address", isTerminal: false);
        return calls.Ask(KeyOf(scope, call), t => body(agent, t), scope.Wake);
    }

    private static string KeyOf(MigrationScope scope, string call) => $"pmig/{scope.Uid}/{call}";

    private V1Node? FindNode(string name) => cluster.Find<V1Node>(new ObjectKey(null, name));

    private bool IsLost(string node) => lostNodes.Contains(node);

    /// <summary>Nobody says that it is lost, and nobody hears of it.</summary>
    private bool IsSilent(string node) => !IsLost(node) && (FindNode(node) is not { } known || !AgentDirectory.IsReady(known));

    private static bool IsTargetOf(V1Pod pod, MigrationScope scope) =>
        ((pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true && uid == scope.Uid)
            || pod.Metadata.Uid == scope.Status.RestoredPodUID)
        && pod.Metadata.Uid != scope.Status.PodUID;

    private V1Pod? FindSource(MigrationScope scope) =>
        cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, scope.Migration.Spec.PodName)) is { } pod
        && pod.Metadata.Uid == scope.Status.PodUID
            ? pod
            : null;

    private V1Pod? FindTarget(MigrationScope scope) =>
        cluster.Where(Indexes.PodsByMigration, scope.Uid).FirstOrDefault(p => p.Metadata.NamespaceProperty == scope.Namespace && IsTargetOf(p, scope)
            // Its label is also that of a pod which somebody has made of its manifest.
            && (scope.Status.RestoredPodName is { } its ? p.Metadata.Name == its : StrayTargets.IsTarget(p)))
        // Its label is anybody's to take away; its uid is not.
        ?? (scope.Status is { RestoredPodName: { } name, RestoredPodUID: { } uid }
            && cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, name)) is { } pod && pod.Metadata.Uid == uid ? pod : null);

    private PodCheckpoint FindCheckpoint(MigrationScope scope) =>
        cluster.Find<PodCheckpoint>(new ObjectKey(scope.Namespace, scope.CheckpointName))
        ?? throw new TerminalException(Reasons.CheckpointFailed, $"PodCheckpoint {scope.CheckpointName} has gone");

    /// <summary>The contents of a checkpoint's containers, each bound both ways.</summary>
    private IEnumerable<ContainerCheckpointContent> Contents(PodCheckpoint checkpoint) =>
        from part in cluster.Where(Indexes.PartsByOwner, checkpoint.Metadata.Uid!)
        where part.IsControlledBy(checkpoint)
        let content = cluster.Find<ContainerCheckpointContent>(new ObjectKey(null, ContainerCheckpointReconciler.ContentName(part)))
        where content?.Status?.Ready == true && content.Spec.ContainerCheckpointRef.Uid == part.Metadata.Uid
        select content;
}
