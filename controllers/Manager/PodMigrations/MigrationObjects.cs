using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Finds the objects of a migration, each by what proves that it is this migration's.</summary>
internal sealed class MigrationObjects(ICluster cluster)
{
    public static bool IsTargetOf(V1Pod pod, MigrationScope scope) =>
        ((pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true && uid == scope.Uid)
            || pod.Metadata.Uid == scope.Status.RestoredPodUID)
        && pod.Metadata.Uid != scope.Status.PodUID;

    public V1Pod? FindSource(MigrationScope scope) =>
        cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, scope.Migration.Spec.PodName)) is { } pod
        && pod.Metadata.Uid == scope.Status.PodUID
            ? pod
            : null;

    /// <exception cref="TerminalException">It has gone.</exception>
    public V1Pod RequireSource(MigrationScope scope) =>
        FindSource(scope)
        ?? throw new TerminalException(Reasons.PodNotFound, "the source pod has gone while it was being migrated");

    /// <summary>The target, by its label or by its uid: anybody may take the label away.</summary>
    public V1Pod? FindTarget(MigrationScope scope) => FindTargetByLabel(scope) ?? FindTargetByUid(scope);

    /// <summary>The target as the API server has it: it may have been created just before the failure.</summary>
    public async Task<V1Pod?> ReadTargetAsync(MigrationScope scope, CancellationToken cancellationToken)
    {
        var name = scope.Status.RestoredPodName
            ?? (FindSource(scope) is { } source ? scope.TargetPodName(source) : null);
        return name is not null
            && await cluster.ReadAsync<V1Pod>(new ObjectKey(scope.Namespace, name), cancellationToken) is { } pod
            && IsTargetOf(pod, scope)
                ? pod
                : null;
    }

    /// <exception cref="TerminalException">The API server has none.</exception>
    public async Task<V1Pod> RequireTargetAsync(MigrationScope scope, CancellationToken cancellationToken) =>
        await ReadTargetAsync(scope, cancellationToken)
        ?? throw new TerminalException(Reasons.RestoreFailed, "the target pod has gone before it was verified");

    public PodCheckpoint? FindCheckpoint(MigrationScope scope) =>
        cluster.Find<PodCheckpoint>(new ObjectKey(scope.Namespace, scope.CheckpointName));

    /// <exception cref="TerminalException">It has gone.</exception>
    public PodCheckpoint RequireCheckpoint(MigrationScope scope) =>
        FindCheckpoint(scope)
        ?? throw new TerminalException(Reasons.CheckpointFailed, $"PodCheckpoint {scope.CheckpointName} has gone");

    /// <summary>The contents of a checkpoint's containers, each bound both ways.</summary>
    public IEnumerable<ContainerCheckpointContent> ContentsOf(PodCheckpoint checkpoint) =>
        from containerCheckpoint in cluster.ByIndex(Indexes.ContainerCheckpointsByOwner, checkpoint.Metadata.Uid!)
        where containerCheckpoint.IsControlledBy(checkpoint)
        let key = new ObjectKey(null, ContentNames.Of(containerCheckpoint))
        let content = cluster.Find<ContainerCheckpointContent>(key)
        where content?.Status?.Ready == true
            && content.Spec.ContainerCheckpointRef.Uid == containerCheckpoint.Metadata.Uid
        select content;

    private V1Pod? FindTargetByLabel(MigrationScope scope) =>
        cluster.ByIndex(Indexes.PodsByMigration, scope.Uid)
            .Where(p => p.Metadata.NamespaceProperty == scope.Namespace && IsTargetOf(p, scope))
            // A pod that somebody has made of the target's manifest has its label, too.
            .FirstOrDefault(p => scope.Status.RestoredPodName is { } name
                ? p.Metadata.Name == name
                : StrayTargets.IsTarget(p));

    private V1Pod? FindTargetByUid(MigrationScope scope) =>
        scope.Status is { RestoredPodName: { } name, RestoredPodUID: { } uid }
        && cluster.Find<V1Pod>(new ObjectKey(scope.Namespace, name)) is { } pod
        && pod.Metadata.Uid == uid
            ? pod
            : null;
}
