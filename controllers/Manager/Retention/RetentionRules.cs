using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Contents;

namespace PodCheckpointing.Manager.Retention;

/// <summary>A checkpoint that a rule removes, and which rule, for people.</summary>
internal sealed record Expired(PodCheckpoint Checkpoint, string Rule);

/// <summary>Which checkpoints the rules remove; decides by what it is given only.</summary>
internal static class RetentionRules
{
    /// <summary>The checkpoints to remove, each once, by the first rule that it breaks.</summary>
    /// <param name="checkpoints">All that there are.</param>
    /// <param name="contentOf">The content that a checkpoint is bound to, where it is known.</param>
    /// <param name="rules">The rules.</param>
    /// <param name="now">The time.</param>
    public static IReadOnlyList<Expired> Choose(
        IEnumerable<PodCheckpoint> checkpoints, Func<PodCheckpoint, PodCheckpointContent?> contentOf,
        RetentionOptions rules, DateTime now)
    {
        var all = checkpoints.Where(IsKept).ToList();
        var expired = new Dictionary<string, Expired>();
        void Remove(PodCheckpoint checkpoint, string rule) =>
            expired.TryAdd(checkpoint.Metadata.Uid!, new Expired(checkpoint, rule));

        bool IsRemovable(PodCheckpoint checkpoint) => RetentionRules.IsRemovable(checkpoint, contentOf(checkpoint));

        foreach (var old in all.Where(c => now - c.Status!.CreationTime > rules.MaxAge && IsRemovable(c)))
        {
            Remove(old, $"it is older than {rules.MaxAge}");
        }

        foreach (var pod in all.Where(c => c.Spec.PodName.Length > 0)
            .GroupBy(c => (c.Metadata.NamespaceProperty, c.Spec.PodName)))
        {
            Limit(pod, rules.MaxPerPod, rules.MaxBytesPerPod, $"pod {pod.Key.PodName}");
        }

        foreach (var scope in all.GroupBy(c => c.Metadata.NamespaceProperty))
        {
            Limit(scope, rules.MaxPerNamespace, rules.MaxBytesPerNamespace, $"namespace {scope.Key}");
        }

        return [.. expired.Values.OrderBy(e => e.Checkpoint.Status!.CreationTime).ThenBy(
            e => e.Checkpoint.Metadata.Uid, StringComparer.Ordinal)];

        void Limit(IEnumerable<PodCheckpoint> group, int? count, long? bytes, string whose)
        {
            // The youngest stays whatever it takes: nobody's checkpoint goes as soon as it is made. What may not be
            // removed takes its room before the others do.
            var left = group.Where(c => !expired.ContainsKey(c.Metadata.Uid!))
                .OrderByDescending(c => c.Status!.CreationTime)
                .ThenByDescending(c => c.Metadata.Uid, StringComparer.Ordinal)
                .ToList();
            var staying = left.Where((c, i) => i == 0 || !IsRemovable(c)).ToList();
            var taken = staying.Count;
            var size = staying.Sum(SizeOf);
            foreach (var checkpoint in left.Except(staying))
            {
                if (taken >= count)
                {
                    Remove(checkpoint, $"{whose} has more than {count} checkpoints");
                }
                else if (size + SizeOf(checkpoint) > bytes)
                {
                    Remove(checkpoint, $"the checkpoints of {whose} take more than {bytes} bytes");
                }
                else
                {
                    taken++;
                    size += SizeOf(checkpoint);
                }
            }
        }
    }

    private static long SizeOf(PodCheckpoint checkpoint) => checkpoint.Status!.Size ?? 0;

    /// <summary>Whole, and not on its way out.</summary>
    private static bool IsKept(PodCheckpoint checkpoint) =>
        checkpoint.Status is { Ready: true, CreationTime: not null } && checkpoint.Metadata.DeletionTimestamp is null
        && checkpoint.ControllerKey(nameof(PodMigration)) is null;

    /// <summary>Whether a rule may remove a checkpoint: nobody says that it, or its bytes, are to stay.</summary>
    public static bool IsRemovable(PodCheckpoint checkpoint, PodCheckpointContent? content) =>
        !Binding.IsRetained(checkpoint.Spec.DeletionPolicy, content?.Spec.DeletionPolicy)
        && !(checkpoint.Metadata.Annotations?.TryGetValue(WellKnown.Pinned, out var pinned) == true
            && pinned == "true");
}
