using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Why a migration is not possible: a reason word and what to do. Pure functions of what was read.</summary>
internal static class MigrationValidation
{
    /// <summary>All of the pod that cannot travel, at once.</summary>
    public static (string Reason, string Message)? OfPod(V1Pod pod) =>
        PodObstacles.Of(pod).ToList() is { Count: > 0 } found ? (found[0].Reason, string.Join("; ", found.Select(f => f.Message))) : null;

    /// <summary>Why a target pod will never wait for its checkpoint.</summary>
    public static (string Reason, string Message)? OfReceiver(V1Pod target)
    {
        string[] hopeless = ["ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"];
        var stuck = target.LivingStatuses().FirstOrDefault(s => hopeless.Contains(s.State?.Waiting?.Reason));
        return stuck is not null
            ? (Reasons.NodeNotCapable, $"container {stuck.Name} cannot start at {target.Spec.NodeName}: {stuck.State!.Waiting!.Reason}: {stuck.State.Waiting.Message}")
            : target.Metadata.DeletionTimestamp is not null || target.Status?.Phase is "Failed" or "Succeeded"
                ? (Reasons.RestoreFailed, $"the target pod {target.Metadata.Name} ended before it was restored: {target.Status?.Reason} {target.Status?.Message}".TrimEnd(' ', ':'))
                : null;
    }

    /// <summary>What a target node lacks.</summary>
    public static (string Reason, string Message)? OfNodes(
        GetCapabilitiesResponse source, GetCapabilitiesResponse target)
    {
        (bool Broken, string Message)[] checks =
        [
            (!source.KubeletCheckpoint, $"node {source.NodeName} cannot checkpoint: {source.KubeletMessage}"),
            (!source.FenceHook, $"node {source.NodeName} has no fence hook; install the agent's files"),
            (!target.FenceHook, $"node {target.NodeName} has no fence hook; install the agent's files"),
            (!target.RestoreHandler, $"node {target.NodeName} has no restore handler; install the agent's files"),
            (source.StoreId != target.StoreId, $"nodes {source.NodeName} and {target.NodeName} do not see the same checkpoint volume"),
            (source.Architecture != target.Architecture, $"nodes have different architectures: {source.Architecture}, {target.Architecture}"),
            (source.Runtime != target.Runtime, $"nodes have different runtimes: {source.Runtime}, {target.Runtime}"),
            (target.CriuVersion.Length == 0, $"node {target.NodeName} has no CRIU"),
            (source.ProtocolVersion != target.ProtocolVersion, "the agents of the two nodes are of different versions"),
        ];
        var broken = checks.Where(c => c.Broken).Select(c => c.Message).ToList();
        return broken.Count > 0 ? (Reasons.NodeNotCapable, string.Join("; ", broken)) : null;
    }

    /// <summary>Whether another migration of the same pod came first.</summary>
    public static (string Reason, string Message)? OfOthers(PodMigration migration, IEnumerable<PodMigration> all)
    {
        var other = all.FirstOrDefault(m =>
            m.Metadata.NamespaceProperty == migration.Metadata.NamespaceProperty
            && m.Metadata.Uid != migration.Metadata.Uid
            && m.Spec.PodName == migration.Spec.PodName
            && m.Status?.CompletionTime is null && m.Spec.DryRun != true
            && ((m.Status?.Conditions).IsTrue(ConditionTypes.Validated)
                || (m.Metadata.CreationTimestamp, m.Metadata.Name).CompareTo((migration.Metadata.CreationTimestamp, migration.Metadata.Name)) < 0));
        return other is null
            ? null
            : (Reasons.MigrationInProgress, $"PodMigration {other.Metadata.Name} of the same pod is under way; wait for it or abort it");
    }
}
