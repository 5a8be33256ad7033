using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager;

/// <summary>Takes down which objects a change has reconciled, for one controller: controller-runtime's
/// Watches.</summary>
internal interface ITriggers
{
    /// <summary>Whenever an object of a kind changes, or goes, the keys that it is mapped to are enqueued.</summary>
    ITriggers Watch<T>(Func<T, ICluster, IEnumerable<ObjectKey>> map)
        where T : class, IKubernetesObject<V1ObjectMeta>;
}

/// <summary>Whose changes have which objects reconciled; every controller also watches its own kind.</summary>
internal static class Triggers
{
    public static void OfMigrations(ITriggers triggers) => triggers
        .Watch<PodCheckpoint>((checkpoint, _) => Controller(checkpoint, nameof(PodMigration)))
        .Watch<V1EndpointSlice>((slice, cluster) => Indexes.EndpointSlicesByService.ValueOf(slice) is { } service
            ? KeysOf(cluster.ByIndex(Indexes.MigrationsByService, service))
            : [])
        .Watch<ContainerCheckpointContent>((content, cluster) => KeysOf(Owners.MigrationOf(content, cluster)))
        .Watch<V1Pod>((pod, cluster) =>
        [
            .. KeysOf(cluster.ByIndex(Indexes.MigrationsByPodUid, pod.Metadata.Uid!)),
            .. Indexes.PodsByMigration.ValueOf(pod) is { } uid
                ? KeysOf(cluster.ByIndex(Indexes.MigrationsByUid, uid))
                : [],
        ])
        .Watch<V1Node>((node, cluster) => KeysOf(OfNode(ObjectKey.Of(node), cluster)));

    public static void OfPodCheckpoints(ITriggers triggers) => triggers
        .Watch<ContainerCheckpoint>((container, _) => Controller(container, nameof(PodCheckpoint)))
        .Watch<PodCheckpointContent>((content, cluster) =>
            KeysOf(cluster.ByIndex(Indexes.PodCheckpointsByContent, content.Metadata.Name!)))
        // One that is being deleted waits for the migration to end,
        .Watch<PodMigration>((migration, _) => HasEnded(migration) ? [CheckpointOf(migration)] : [])
        // and for the pods that are restored from it.
        .Watch<V1Pod>((pod, cluster) => KeysOf(TerminatingPodCheckpoints(pod, cluster)));

    public static void OfContainerCheckpoints(ITriggers triggers) => triggers
        .Watch<ContainerCheckpointContent>((content, _) => Claim(content.Spec.ContainerCheckpointRef))
        // One that is deleted while its PodCheckpoint is needed waits until that may go: for the migration's end,
        .Watch<PodCheckpoint>((checkpoint, cluster) => Owners.MigrationUsing(checkpoint, cluster) is null
            ? KeysOf(TerminatingContainerCheckpoints(checkpoint, cluster))
            : [])
        .Watch<PodMigration>((migration, cluster) => HasEnded(migration)
            && cluster.Find<PodCheckpoint>(CheckpointOf(migration)) is { } checkpoint
                ? KeysOf(TerminatingContainerCheckpoints(checkpoint, cluster))
                : [])
        // and for the pods that are restored from it.
        .Watch<V1Pod>((pod, cluster) => KeysOf(TerminatingContainerCheckpoints(pod, cluster)))
        // What is lost with its node, or is not: nobody else will say.
        .Watch<V1Node>((node, cluster) => LostNodes.IsOutOfService(node)
            ? cluster.All<ContainerCheckpointContent>()
                .Where(c => c.Status?.Ready != true && c.Spec.Source.NodeName == node.Metadata.Name)
                .SelectMany(c => Claim(c.Spec.ContainerCheckpointRef))
            : []);

    public static void OfPodContents(ITriggers triggers) => triggers
        .Watch<PodCheckpoint>((checkpoint, _) => [ContentOf(checkpoint)])
        // One that is deleted with its claim while somebody needs the bytes waits as
        // that does: for the migration's end,
        .Watch<PodMigration>((migration, cluster) => TerminatingPodCheckpoints(migration, cluster).Select(ContentOf))
        // and for the pods that are restored from it.
        .Watch<V1Pod>((pod, cluster) => TerminatingPodCheckpoints(pod, cluster).Select(ContentOf));

    public static void OfContainerContents(ITriggers triggers) => triggers
        .Watch<ContainerCheckpoint>(ContentsOf)
        // One that is deleted with its claim while the PodCheckpoint is needed waits as that does: for the migration's
        // end,
        .Watch<PodCheckpoint>((checkpoint, cluster) => Owners.MigrationUsing(checkpoint, cluster) is null
            ? ContentsOf(TerminatingContainerCheckpoints(checkpoint, cluster), cluster)
            : [])
        .Watch<PodMigration>((migration, cluster) => TerminatingPodCheckpoints(migration, cluster)
            .SelectMany(checkpoint => ContentsOf(TerminatingContainerCheckpoints(checkpoint, cluster), cluster)))
        // and for the pods that are restored from it.
        .Watch<V1Pod>((pod, cluster) => ContentsOf(TerminatingContainerCheckpoints(pod, cluster), cluster));

    public static void OfRestores(ITriggers triggers) => triggers
        // Targets of a migration that has ended without them.
        .Watch<PodMigration>((migration, cluster) => KeysOf(
            cluster.ByIndex(Indexes.PodsByMigration, migration.Metadata.Uid!).Where(StrayTargets.MayBe)))
        .Watch<PodCheckpoint>((checkpoint, cluster) => KeysOf(
            cluster.ByIndex(Indexes.RestoringPodsByNamespace, checkpoint.Metadata.NamespaceProperty!)
                .Where(pod => RestoreRequest.IsRestoring(pod, checkpoint))));

    public static void OfNodes(ITriggers triggers) => triggers
        .Watch<V1Node>((node, _) => [ObjectKey.Of(node)])
        // Its agent comes, is ready, or goes.
        .Watch<V1Pod>((pod, _) => AgentPods.Contains(pod) && pod.Spec.NodeName is { } node
            ? [new ObjectKey(null, node)]
            : []);

    private static bool HasEnded(PodMigration migration) => migration.Status?.CompletionTime is not null;

    /// <summary>Whether a pod waits for its restore, or has waited.</summary>
    private static bool IsRestored(V1Pod pod) =>
        pod.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true && !StrayTargets.IsTarget(pod);

    private static ObjectKey CheckpointOf(PodMigration migration) =>
        new(migration.Metadata.NamespaceProperty, MigrationScope.CheckpointNameFor(migration));

    private static ObjectKey ContentOf(PodCheckpoint checkpoint) => new(null, ContentNames.Of(checkpoint));

    private static IEnumerable<ObjectKey> ContentsOf(IEnumerable<ContainerCheckpoint> containers, ICluster cluster) =>
        containers.SelectMany(container => ContentsOf(container, cluster));

    private static IEnumerable<ObjectKey> ContentsOf(ContainerCheckpoint container, ICluster cluster) =>
        KeysOf(cluster.ByIndex(Indexes.ContainerContentsByClaim, container.Metadata.Uid!));

    /// <summary>Those that a migration may have held: none before its end.</summary>
    private static IEnumerable<PodCheckpoint> TerminatingPodCheckpoints(PodMigration migration, ICluster cluster) =>
        HasEnded(migration)
            ? cluster.ByIndex(Indexes.TerminatingPodCheckpoints, migration.Metadata.NamespaceProperty!)
                .Where(checkpoint => checkpoint.IsControlledBy(migration))
            : [];

    /// <summary>Those that a pod may have held.</summary>
    private static IEnumerable<PodCheckpoint> TerminatingPodCheckpoints(V1Pod pod, ICluster cluster) =>
        IsRestored(pod) ? cluster.ByIndex(Indexes.TerminatingPodCheckpoints, pod.Metadata.NamespaceProperty!) : [];

    /// <summary>Those that a pod may have held.</summary>
    private static IEnumerable<ContainerCheckpoint> TerminatingContainerCheckpoints(V1Pod pod, ICluster cluster) =>
        IsRestored(pod)
            ? cluster.ByIndex(Indexes.TerminatingContainerCheckpoints, pod.Metadata.NamespaceProperty!)
            : [];

    private static IEnumerable<ContainerCheckpoint> TerminatingContainerCheckpoints(
        PodCheckpoint owner, ICluster cluster) =>
        cluster.ByIndex(Indexes.ContainerCheckpointsByOwner, owner.Metadata.Uid!)
            .Where(container => container.Metadata.DeletionTimestamp is not null);

    private static IEnumerable<ObjectKey> KeysOf(IEnumerable<IKubernetesObject<V1ObjectMeta>> items) =>
        items.Select(ObjectKey.Of);

    /// <summary>A node that is back concerns the stalled migrations that use it; a node that is certainly lost concerns
    /// all unfinished migrations that use it.</summary>
    private static IEnumerable<PodMigration> OfNode(ObjectKey node, ICluster cluster)
    {
        // One that has gone is told as it was: the store knows.
        var lost = cluster.Find<V1Node>(node) is not { } known || LostNodes.IsOutOfService(known);
        return cluster.ByIndex(Indexes.MigrationsBySourceNode, node.Name)
            .Concat(cluster.ByIndex(Indexes.MigrationsByTargetNode, node.Name))
            .Where(m => lost || m.Status!.Conditions.IsTrue(ConditionTypes.Stalled));
    }

    private static IEnumerable<ObjectKey> Controller(IKubernetesObject<V1ObjectMeta> item, string kind) =>
        item.ControllerKey(kind) is { } key ? [key] : [];

    private static IEnumerable<ObjectKey> Claim(ClaimReference reference) => [new ObjectKey(
        reference.NamespaceProperty, reference.Name)];
}
