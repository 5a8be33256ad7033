using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager;

/// <summary>Takes down which objects a change wakes, for one controller.</summary>
internal interface ITriggers
{
    /// <summary>Whenever an object of a kind changes, or goes, these keys are looked at.</summary>
    ITriggers On<T>(Func<T, ICluster, IEnumerable<ObjectKey>> wakes)
        where T : class, IKubernetesObject<V1ObjectMeta>;
}

/// <summary>Whose changes wake which objects; every controller is also woken by its own kind.</summary>
internal static class Triggers
{
    public static void OfMigrations(ITriggers triggers) => triggers
        .On<PodCheckpoint>((checkpoint, _) => Controller(checkpoint, nameof(PodMigration)))
        .On<V1EndpointSlice>((slice, cluster) => Indexes.SlicesByService.Of(slice) is { } service
            ? cluster.Where(Indexes.MigrationsByService, service).Select(ObjectKey.Of)
            : [])
        .On<ContainerCheckpointContent>((content, cluster) => Owners.MigrationOf(content, cluster).Select(ObjectKey.Of))
        .On<V1Pod>((pod, cluster) => cluster.Where(Indexes.MigrationsByPodUid, pod.Metadata.Uid!)
            .Concat(Indexes.PodsByMigration.Of(pod) is { } uid ? cluster.Where(Indexes.MigrationsByUid, uid) : [])
            .Select(ObjectKey.Of))
        .On<V1Node>((node, cluster) => OfNode(ObjectKey.Of(node), cluster).Select(ObjectKey.Of));

    public static void OfPodCheckpoints(ITriggers triggers) => triggers
        .On<ContainerCheckpoint>((part, _) => Controller(part, nameof(PodCheckpoint)))
        .On<PodCheckpointContent>((content, cluster) => cluster
            .Where(Indexes.CheckpointsByContent, content.Metadata.Name!).Select(ObjectKey.Of))
        // One that is being deleted waits for the migration to end,
        .On<PodMigration>((migration, _) => migration.Status?.CompletionTime is null
            ? []
            : [new ObjectKey(migration.Metadata.NamespaceProperty, MigrationScope.CheckpointNameFor(migration))])
        // and for the pods that are restored from it.
        .On<V1Pod>((pod, cluster) => IsRestored(pod)
            ? cluster.Where(Indexes.LeavingCheckpoints, pod.Metadata.NamespaceProperty!).Select(ObjectKey.Of)
            : []);

    public static void OfContainerCheckpoints(ITriggers triggers) => triggers
        .On<ContainerCheckpointContent>((content, _) => Claim(content.Spec.ContainerCheckpointRef))
        // One that is deleted while the whole is needed waits until the whole may go: for its migration's end,
        .On<PodCheckpoint>((checkpoint, cluster) => Owners.UserOf(checkpoint, cluster) is not null ? [] : LeavingParts(checkpoint, cluster))
        .On<PodMigration>((migration, cluster) => migration.Status?.CompletionTime is not null
            && cluster.Find<PodCheckpoint>(new ObjectKey(migration.Metadata.NamespaceProperty, MigrationScope.CheckpointNameFor(migration))) is { } whole
            ? LeavingParts(whole, cluster)
            : [])
        // and for the pods that are restored from it.
        .On<V1Pod>((pod, cluster) => IsRestored(pod)
            ? cluster.Where(Indexes.LeavingParts, pod.Metadata.NamespaceProperty!).Select(ObjectKey.Of)
            : [])
        // What is lost with its node, or is not: nobody else will say.
        .On<V1Node>((node, cluster) => LostNodes.IsOutOfService(node)
            ? cluster.All<ContainerCheckpointContent>()
                .Where(c => c.Status?.Ready != true && c.Spec.Source.NodeName == node.Metadata.Name)
                .SelectMany(c => Claim(c.Spec.ContainerCheckpointRef))
            : []);

    public static void OfPodContents(ITriggers triggers) => triggers
        .On<PodCheckpoint>((checkpoint, _) => [ContentOf(checkpoint)])
        // One that is deleted with its claim while somebody needs the bytes waits as that does: for the migration's end,
        .On<PodMigration>((migration, cluster) => migration.Status?.CompletionTime is null ? [] : LeavingCheckpoints(migration, cluster).Select(ContentOf))
        // and for the pods that are restored from it.
        .On<V1Pod>((pod, cluster) => IsRestored(pod)
            ? cluster.Where(Indexes.LeavingCheckpoints, pod.Metadata.NamespaceProperty!).Select(ContentOf)
            : []);

    public static void OfContainerContents(ITriggers triggers) => triggers
        .On<ContainerCheckpoint>((checkpoint, cluster) => ContentsOf(checkpoint, cluster))
        // One that is deleted with its claim while the whole is needed waits as that does: for its migration's end,
        .On<PodCheckpoint>((checkpoint, cluster) => Owners.UserOf(checkpoint, cluster) is not null ? [] : LeavingContents(checkpoint, cluster))
        .On<PodMigration>((migration, cluster) => migration.Status?.CompletionTime is null
            ? []
            : LeavingCheckpoints(migration, cluster).SelectMany(whole => LeavingContents(whole, cluster)))
        // and for the pods that are restored from it.
        .On<V1Pod>((pod, cluster) => IsRestored(pod)
            ? cluster.Where(Indexes.LeavingParts, pod.Metadata.NamespaceProperty!).SelectMany(part => ContentsOf(part, cluster))
            : []);

    public static void OfRestores(ITriggers triggers) => triggers
        // Targets of a migration that has ended without them.
        .On<PodMigration>((migration, cluster) => cluster.Where(Indexes.PodsByMigration, migration.Metadata.Uid!).Where(StrayTargets.MayBe).Select(ObjectKey.Of))
        .On<PodCheckpoint>((checkpoint, cluster) => cluster
            .Where(Indexes.RestoringPods, checkpoint.Metadata.NamespaceProperty!).Where(pod => RestoreRequest.IsRestoring(pod, checkpoint)).Select(ObjectKey.Of));

    public static void OfNodes(ITriggers triggers) => triggers
        .On<V1Node>((node, _) => [ObjectKey.Of(node)])
        // Its agent comes, is ready, or goes.
        .On<V1Pod>((pod, _) => AgentPods.Contains(pod) && pod.Spec.NodeName is { } node ? [new ObjectKey(null, node)] : []);

    /// <summary>Whether a pod waits for its restore, or has waited.</summary>
    private static bool IsRestored(V1Pod pod) => pod.Metadata.Annotations?.ContainsKey(WellKnown.RestoreAnnotation) == true && !StrayTargets.IsTarget(pod);

    private static ObjectKey ContentOf(PodCheckpoint checkpoint) => new(null, ContentNames.Of(checkpoint));

    private static IEnumerable<ObjectKey> ContentsOf(ContainerCheckpoint part, ICluster cluster) =>
        cluster.Where(Indexes.ContentsByClaim, part.Metadata.Uid!).Select(ObjectKey.Of);

    private static IEnumerable<PodCheckpoint> LeavingCheckpoints(PodMigration migration, ICluster cluster) =>
        cluster.Where(Indexes.LeavingCheckpoints, migration.Metadata.NamespaceProperty!).Where(checkpoint => checkpoint.IsControlledBy(migration));

    private static IEnumerable<ObjectKey> LeavingContents(PodCheckpoint whole, ICluster cluster) =>
        cluster.Where(Indexes.PartsByOwner, whole.Metadata.Uid!).Where(p => p.Metadata.DeletionTimestamp is not null).SelectMany(p => ContentsOf(p, cluster));

    private static IEnumerable<ObjectKey> LeavingParts(PodCheckpoint whole, ICluster cluster) =>
        cluster.Where(Indexes.PartsByOwner, whole.Metadata.Uid!).Where(p => p.Metadata.DeletionTimestamp is not null).Select(ObjectKey.Of);

    /// <summary>That a node is back is what those wait for that it has stalled; that it is lost for certain concerns all.</summary>
    private static IEnumerable<PodMigration> OfNode(ObjectKey node, ICluster cluster)
    {
        // One that has gone is told as it was: the store knows.
        var lost = cluster.Find<V1Node>(node) is not { } known || LostNodes.IsOutOfService(known);
        return cluster.All<PodMigration>().Where(m => m.Status is { CompletionTime: null } status
            && (lost || status.Conditions.IsTrue(ConditionTypes.Stalled))
            && (status.SourceNode == node.Name || status.TargetNode == node.Name));
    }

    private static IEnumerable<ObjectKey> Controller(IKubernetesObject<V1ObjectMeta> item, string kind) =>
        item.ControllerKey(kind) is { } key ? [key] : [];

    private static IEnumerable<ObjectKey> Claim(ClaimReference reference) => [new ObjectKey(reference.NamespaceProperty, reference.Name)];
}
