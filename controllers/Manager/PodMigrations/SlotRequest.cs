using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>What a migration needs before it may begin.</summary>
/// <param name="Migration">The migration; older ones come first.</param>
/// <param name="Source">The node that the pod is on.</param>
/// <param name="Targets">The nodes that it may go to now, the best one first.</param>
/// <param name="Wake">Has the migration looked at again, from any thread.</param>
internal sealed record SlotRequest(
    PodMigration Migration, string Source, Func<IReadOnlyList<string>> Targets, Action Wake)
{
    public ObjectKey Key { get; } = ObjectKey.Of(Migration);

    public string Uid => Migration.Metadata.Uid!;

    /// <summary>The target that was asked for; null: any will do.</summary>
    public string? Wanted => Migration.Spec.TargetNode;

    /// <summary>By age; of one second, by name.</summary>
    public static Comparer<SlotRequest> ByAge { get; } = Comparer<SlotRequest>.Create((a, b) =>
        Nullable.Compare(a.Migration.Metadata.CreationTimestamp, b.Migration.Metadata.CreationTimestamp) is not 0
            and var age ? age
        : string.CompareOrdinal(a.Key.Namespace, b.Key.Namespace) is not 0 and var space ? space
        : string.CompareOrdinal(a.Key.Name, b.Key.Name));

    public static SlotRequest Of(PodMigration migration, V1Pod pod, ICluster cluster, Action wake) => new(
        migration,
        pod.Spec.NodeName!,
        () => migration.Spec.TargetNode is { } wanted ? [wanted] : TargetNodes.For(pod, [], cluster),
        wake);
}

/// <summary>What became of a request.</summary>
/// <param name="Target">The node to go to; null while it waits.</param>
/// <param name="Message">Which limit it waits for.</param>
internal readonly record struct SlotAnswer(string? Target, string? Message);
