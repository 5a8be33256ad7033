using System.ComponentModel.DataAnnotations;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>How many migrations may be under way at once, and how long one that has ended stays; section
/// "Operator:Migrations" of the configuration.</summary>
/// <remarks>Those beyond a limit wait in phase Pending, untouched, and begin in the order of their creation. A
/// migration counts from its validation until it has ended, the way back included.</remarks>
internal sealed record MigrationOptions
{
    /// <summary>In the whole cluster.</summary>
    [Range(1, 10_000)]
    public int ParallelPerCluster { get; set; } = 5;

    /// <summary>Of the pods of one namespace, so that no user's migrations keep all the others waiting. Not set: as
    /// many as in the whole cluster.</summary>
    [Range(1, 10_000)]
    public int? ParallelPerNamespace { get; set; }

    /// <summary>Away from one node.</summary>
    [Range(1, 1_000)]
    public int ParallelOutboundPerNode { get; set; } = 2;

    /// <summary>To one node.</summary>
    [Range(1, 1_000)]
    public int ParallelInboundPerNode { get; set; } = 2;

    /// <summary>After how many seconds a migration that has ended is deleted, where it has no ttlSecondsAfterFinished
    /// of its own. Not set: it stays until somebody deletes it.</summary>
    [Range(0, int.MaxValue)]
    public int? TtlSecondsAfterFinished { get; set; }
}
