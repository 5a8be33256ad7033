using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager;

/// <summary>Who owns whom, by uid.</summary>
internal static class Owners
{
    public static V1OwnerReference ControllerReference(IKubernetesObject<V1ObjectMeta> owner) => new()
    {
        ApiVersion = owner.ApiVersion,
        Kind = owner.Kind,
        Name = owner.Metadata.Name!,
        Uid = owner.Metadata.Uid!,
        Controller = true,
        // What is held holds itself, by finalizers; in the foreground everything that
        // blocks its owner is deleted at once.
        BlockOwnerDeletion = false,
    };

    public static bool IsControlledBy(
        this IKubernetesObject<V1ObjectMeta> item, IKubernetesObject<V1ObjectMeta> owner) =>
        item.Metadata.OwnerReferences?.Any(r => r.Controller == true && r.Uid == owner.Metadata.Uid) == true;

    /// <summary>The key of an object's controller, when that is of a kind.</summary>
    public static ObjectKey? ControllerKey(this IKubernetesObject<V1ObjectMeta> item, string kind) =>
        item.Metadata.OwnerReferences?.FirstOrDefault(r => r.Controller == true && r.Kind == kind) is { } owner
            ? new ObjectKey(item.Metadata.NamespaceProperty, owner.Name)
            : null;

    /// <summary>The migration that a container's content was made for, if it was.</summary>
    public static IEnumerable<PodMigration> MigrationOf(ContainerCheckpointContent content, ICluster cluster) =>
        content.Spec.ContainerCheckpointRef is { Name: { } name } claim
        && cluster.Find<ContainerCheckpoint>(
            new ObjectKey(claim.NamespaceProperty, name))?.ControllerKey(nameof(PodCheckpoint)) is { } owner
        && cluster.Find<PodCheckpoint>(owner)?.ControllerKey(nameof(PodMigration)) is { } key
        && cluster.Find<PodMigration>(key) is { } migration
            ? [migration]
            : [];

    /// <summary>The migration that needs a checkpoint still: it has made it and not ended. One that has failed tells its
    /// way back which containers it has stopped.</summary>
    public static PodMigration? MigrationUsing(PodCheckpoint checkpoint, ICluster cluster) =>
        checkpoint.ControllerKey(nameof(PodMigration)) is { } key
        && cluster.Find<PodMigration>(key) is { } migration
        && migration.Status?.CompletionTime is null
        && checkpoint.IsControlledBy(migration)
            ? migration
            : null;

    /// <summary>Why a checkpoint's bytes must stay for now; null where they may go.</summary>
    public static string? WhyNeeded(PodCheckpoint checkpoint, ICluster cluster) =>
        MigrationUsing(checkpoint, cluster) is { } migration
            ? $"PodMigration {migration.Metadata.Name} moves a pod by it; it goes when that has ended"
        // One that comes after the deletion is refused: were it waited for, they could come for ever.
        : cluster.ByIndex(Indexes.RestoringPodsByNamespace, checkpoint.Metadata.NamespaceProperty!).FirstOrDefault(p =>
            RestoreRequest.IsRestoring(p, checkpoint)
            && !(p.Metadata.CreationTimestamp >= checkpoint.Metadata.DeletionTimestamp)) is { } user
            ? $"pod {user.Metadata.Name} is being restored from it; it goes when that has ended, or the pod is deleted"
        : null;

    /// <summary>Why a container's part of a checkpoint must stay for now; null where it may go.</summary>
    /// <remarks>Also where its owner is being deleted: in the foreground the garbage collector deletes both at
    /// once.</remarks>
    public static string? WhyNeeded(ContainerCheckpoint container, ICluster cluster) =>
        OwnerOf(container, cluster) is { } owner ? WhyNeeded(owner, cluster) : null;

    /// <summary>The PodCheckpoint that owns a ContainerCheckpoint, as last seen; null where there is none.</summary>
    public static PodCheckpoint? OwnerOf(ContainerCheckpoint container, ICluster cluster) =>
        container.ControllerKey(nameof(PodCheckpoint)) is { } key
        && cluster.Find<PodCheckpoint>(key) is { } owner && container.IsControlledBy(owner)
            ? owner
            : null;
}
