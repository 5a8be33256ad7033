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
    public static readonly ObjectIndex<V1Pod> PodsByMigration = new(pod => Label(pod, WellKnown.MigrationUid));

    public static readonly ObjectIndex<V1Pod> PodsByNode = new(pod => pod.Spec.NodeName);

    /// <summary>Pods that wait for their restore, by namespace.</summary>
    public static readonly ObjectIndex<V1Pod> RestoringPodsByNamespace = new(pod =>
        RestoreRequest.Of(pod) is null ? null : pod.Metadata.NamespaceProperty);

    /// <summary>Pods on nodes whose anti-affinity keeps others away, all by one value: few have such rules.</summary>
    public static readonly ObjectIndex<V1Pod> PodsWithAntiAffinity = new(pod =>
        pod.Spec.NodeName is not null && PodPlacement.KeepsOthersAway(pod) ? AntiAffinity : null);

    public const string AntiAffinity = "podAntiAffinity";

    /// <summary>The agents' pods, by namespace; none where agents run otherwise.</summary>
    public static readonly ObjectIndex<V1Pod> AgentPods = new(pod =>
        Api.V1.AgentPods.Contains(pod) ? pod.Metadata.NamespaceProperty : null);

    public static readonly ObjectIndex<PodMigration> MigrationsByUid = new(migration => migration.Metadata.Uid);

    /// <summary>Migrations by the pod that they have begun to move.</summary>
    public static readonly ObjectIndex<PodMigration> MigrationsByPodUid = new(migration => migration.Status?.PodUID);

    /// <summary>Migrations by the pod that they name: see <see cref="NamespacedName"/>.</summary>
    public static readonly ObjectIndex<PodMigration> MigrationsByPod = new(migration =>
        NamespacedName(migration.Metadata.NamespaceProperty, migration.Spec.PodName));

    /// <summary>Migrations that have not ended by the node that they leave.</summary>
    public static readonly ObjectIndex<PodMigration> MigrationsBySourceNode = new(migration =>
        migration.Status is { CompletionTime: null } status ? status.SourceNode : null);

    /// <summary>Migrations that have not ended by the node that they go to.</summary>
    public static readonly ObjectIndex<PodMigration> MigrationsByTargetNode = new(migration =>
        migration.Status is { CompletionTime: null } status ? status.TargetNode : null);

    /// <summary>Migrations that have not ended by the Service that they name:
    /// see <see cref="NamespacedName"/>.</summary>
    public static readonly ObjectIndex<PodMigration> MigrationsByService = new(migration =>
        migration is { Spec.ServiceName: { } service, Status: { CompletionTime: null } }
            ? NamespacedName(migration.Metadata.NamespaceProperty, service)
            : null);

    /// <summary>EndpointSlices by their Service: see <see cref="NamespacedName"/>.</summary>
    public static readonly ObjectIndex<V1EndpointSlice> EndpointSlicesByService = new(slice =>
        Label(slice, V1EndpointSlice.ServiceName) is { } service
            ? NamespacedName(slice.Metadata.NamespaceProperty, service)
            : null);

    public static readonly ObjectIndex<PodCheckpoint> PodCheckpointsByContent = new(ContentNames.Of);

    /// <summary>PodCheckpoints by namespace and artifact, which several may have: see <see
    /// cref="ArtifactKey"/>.</summary>
    public static readonly ObjectIndex<PodCheckpoint> PodCheckpointsByArtifact = new(checkpoint =>
        checkpoint is { Status: { PodUID: { } podUid, CheckpointID: { } checkpointId } }
            ? ArtifactKey(checkpoint.Metadata.NamespaceProperty, podUid, checkpointId)
            : null);

    /// <summary>PodCheckpoints that are being deleted, by namespace.</summary>
    public static readonly ObjectIndex<PodCheckpoint> TerminatingPodCheckpoints = new(NamespaceWhereTerminating);

    public static readonly ObjectIndex<ContainerCheckpoint> ContainerCheckpointsByOwner = new(ControllerOf);

    /// <summary>ContainerCheckpoints that are being deleted, by namespace.</summary>
    public static readonly ObjectIndex<ContainerCheckpoint> TerminatingContainerCheckpoints =
        new(NamespaceWhereTerminating);

    /// <summary>Contents of containers by the uid of their claim.</summary>
    public static readonly ObjectIndex<ContainerCheckpointContent> ContainerContentsByClaim = new(content =>
        content.Spec.ContainerCheckpointRef.Uid);

    /// <summary>Contents of pods by the checkpoint that they name, which several may:
    /// see <see cref="CheckpointKey"/>.</summary>
    public static readonly ObjectIndex<PodCheckpointContent> PodContentsByCheckpoint = new(content =>
        CheckpointKey(content.Spec.Source));

    /// <summary>Contents of containers by the checkpoint that they are part of:
    /// see <see cref="CheckpointKey"/>.</summary>
    public static readonly ObjectIndex<ContainerCheckpointContent> ContainerContentsByCheckpoint = new(content =>
        CheckpointKey(content.Spec.Source));

    public static string NamespacedName(string? namespaceName, string name) => $"{namespaceName}/{name}";

    public static string CheckpointKey(CheckpointSource source) => $"{source.PodUID}/{source.CheckpointID}";

    public static string ArtifactKey(string? namespaceName, string podUid, string checkpointId) =>
        $"{namespaceName}/{podUid}/{checkpointId}";

    private static string? Label(IKubernetesObject<V1ObjectMeta> item, string label) =>
        item.Metadata.Labels?.TryGetValue(label, out var value) == true ? value : null;

    private static string? NamespaceWhereTerminating(IKubernetesObject<V1ObjectMeta> item) =>
        item.Metadata.DeletionTimestamp is null ? null : item.Metadata.NamespaceProperty;

    private static string? ControllerOf(IKubernetesObject<V1ObjectMeta> item) =>
        item.Metadata.OwnerReferences?.FirstOrDefault(r => r.Controller == true)?.Uid;
}
