using System.ComponentModel.DataAnnotations;

namespace PodCheckpointing.Manager.Retention;

/// <summary>Which standalone checkpoints are removed by themselves; section
/// "Operator:Retention" of the configuration.</summary>
/// <remarks>What is not set limits nothing. Never removed: the checkpoint of a migration, one whose deletionPolicy, or
/// whose content's, is Retain, one that is pinned by annotation, one that is not finished; and, but by age, the
/// youngest of a pod or namespace. What stays for any of these reasons takes its room before the others do.</remarks>
internal sealed record RetentionOptions
{
    /// <summary>Checkpoints of one pod name in one namespace; the oldest go first.</summary>
    [Range(1, int.MaxValue)]
    public int? MaxPerPod { get; set; }

    /// <summary>Checkpoints in one namespace; the oldest go first.</summary>
    [Range(1, int.MaxValue)]
    public int? MaxPerNamespace { get; set; }

    /// <summary>Bytes on the volume of one pod name in one namespace: the youngest that fit beside each other stay, so
    /// that a large one may go before a small one that is older.</summary>
    [Range(1, long.MaxValue)]
    public long? MaxBytesPerPod { get; set; }

    /// <summary>Bytes on the volume of one namespace; chosen like <see cref="MaxBytesPerPod"/>.</summary>
    [Range(1, long.MaxValue)]
    public long? MaxBytesPerNamespace { get; set; }

    /// <summary>Since the checkpoint became whole.</summary>
    [Range(typeof(TimeSpan), "00:01:00", "36500.00:00:00")]
    public TimeSpan? MaxAge { get; set; }

    /// <summary>Tells by events what would be removed, and removes nothing.</summary>
    public bool DryRun { get; set; }

    /// <summary>What is done with bytes on the volume that belong to no object of this cluster. Delete is for a volume
    /// that no other cluster writes to: it would remove that one's checkpoints.</summary>
    public OrphanRule Orphans { get; set; } = OrphanRule.Report;

    /// <summary>How long bytes must have been without a change before they may be orphans.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "36500.00:00:00")]
    public TimeSpan OrphanAge { get; set; } = TimeSpan.FromDays(1);

    /// <summary>From one look to the next.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan Interval { get; set; } = TimeSpan.FromMinutes(10);
}

/// <summary>What is done with bytes that belong to no object.</summary>
internal enum OrphanRule
{
    /// <summary>They are told in the log.</summary>
    Report,

    /// <summary>They are removed.</summary>
    Delete,
}
