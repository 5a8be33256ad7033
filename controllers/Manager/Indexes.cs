using k8s;
using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager;

/// <summary>By what else than their names the reconcilers look for objects: none of them may look at all.</summary>
internal static class Indexes
{
    /// <summary>Pods by the migration that has made them.</summary>
    public static readonly ObjectIndex<V1Pod> PodsByMigration = new(pod => pod.Metadata.Labels?.TryGetValue(WellKnown.MigrationUid, out var uid) == true ? uid : null);

    public static readonly ObjectIndex<V1Pod> PodsByNode = new(pod => pod.Spec.NodeName);

    /// <summary>Pods that wait for their restore, by namespace.</summary>
    public static readonly ObjectIndex<V1Pod> RestoringPods = new(pod => RestoreRequest.Of(pod) is null ? null : pod.Metadata.NamespaceProperty);

    /// <summary>Pods that keep others away from where they are, all by one value: few have such rules.</summary>
    public static readonly ObjectIndex<V1Pod> ShyPods = new(pod => pod.Spec.NodeName is not null && PodPlacement.KeepsOthersAway(pod) ? Shy : null);

    public const string Shy = "shy";

    /// <summary>The agents' pods, by namespace; none where agents run otherwise.</summary>
    public static readonly ObjectIndex<V1Pod> AgentPods = new(pod => Api.V1.AgentPods.Contains(pod) ? pod.Metadata.NamespaceProperty : null);

    public static readonly ObjectIndex<PodMigration> MigrationsByUid = new(migration => migration.Metadata.Uid);

    /// <summary>Migrations by the pod that they have begun to move.</summary>
    public static readonly ObjectIndex<PodMigration> MigrationsByPodUid = new(migration => migration.Status?.PodUID);

    public static readonly ObjectIndex<PodMigration> MigrationsByPod = new(migration => Name(migration.Metadata.NamespaceProperty, migration.Spec.PodName));

    /// <summary>Migrations that have not ended by the Service that they name: see <see cref="Name"/>.</summary>
    public static readonly ObjectIndex<PodMigration> MigrationsByService = new(migration =>
        migration is { Spec.ServiceName: { } service, Status: { CompletionTime: null } } ? Name(migration.Metadata.NamespaceProperty, service) : null);

    /// <summary>EndpointSlices by their Service: see <see cref="Name"/>.</summary>
    public static readonly ObjectIndex<V1EndpointSlice> SlicesByService = new(slice =>
        slice.Metadata.Labels?.TryGetValue(V1EndpointSlice.ServiceName, out var service) == true ? Name(slice.Metadata.NamespaceProperty, service) : null);

    public static readonly ObjectIndex<PodCheckpoint> CheckpointsByContent = new(ContentNames.Of);

    /// <summary>PodCheckpoints by their namespace and artifact: see <see cref="ArtifactKey"/>. Several may be of one.</summary>
    public static readonly ObjectIndex<PodCheckpoint> PodCheckpointsByArtifact = new(checkpoint =>
        checkpoint is { Status: { PodUID: { } podUid, CheckpointID: { } checkpointId } }
            ? ArtifactKey(checkpoint.Metadata.NamespaceProperty, podUid, checkpointId)
            : null);

    /// <summary>PodCheckpoints that are being deleted, by namespace.</summary>
    public static readonly ObjectIndex<PodCheckpoint> LeavingCheckpoints = new(checkpoint => checkpoint.Metadata.DeletionTimestamp is null ? null : checkpoint.Metadata.NamespaceProperty);

    public static readonly ObjectIndex<ContainerCheckpoint> PartsByOwner = new(ControllerOf);

    /// <summary>ContainerCheckpoints that are being deleted, by namespace.</summary>
    public static readonly ObjectIndex<ContainerCheckpoint> LeavingParts = new(part => part.Metadata.DeletionTimestamp is null ? null : part.Metadata.NamespaceProperty);

    public static readonly ObjectIndex<ContainerCheckpointContent> ContentsByClaim = new(content => content.Spec.ContainerCheckpointRef.Uid);

    /// <summary>Contents of pods by the checkpoint that they name, which several may: see <see cref="Whole"/>.</summary>
    public static readonly ObjectIndex<PodCheckpointContent> PodContentsByCheckpoint = new(content => Whole(content.Spec.Source));

    /// <summary>Contents of containers by the checkpoint that they are part of: see <see cref="Whole"/>.</summary>
    public static readonly ObjectIndex<ContainerCheckpointContent> ContentsByCheckpoint = new(content => Whole(content.Spec.Source));

    public static string Name(string? namespaceName, string name) => $"{namespaceName}/{name}";

    public static string Whole(CheckpointSource source) => $"{source.PodUID}/{source.CheckpointID}";

    public static string ArtifactKey(string? namespaceName, string podUid, string checkpointId) =>
        $"{namespaceName}/{podUid}/{checkpointId}";

    private static string? ControllerOf(IKubernetesObject<V1ObjectMeta> item) =>
        item.Metadata.OwnerReferences?.FirstOrDefault(r => r.Controller == true)?.Uid;
}
