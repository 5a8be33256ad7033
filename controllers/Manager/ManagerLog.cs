namespace PodCheckpointing.Manager;

/// <summary>Everything the sweeps log. Event ids 2000–2099. What a reconciler has to say is an
/// event of its object instead.</summary>
internal static partial class ManagerLog
{
    [LoggerMessage(
        2000, LogLevel.Warning, "{Sweep} could not finish. The next one begins anew.")]
    public static partial void SweepFailed(ILogger logger, Exception exception, string sweep);

    [LoggerMessage(
        2001, LogLevel.Warning,
        "Checkpoint {Checkpoint} on the volume, {Bytes} bytes of pod {Namespace}/{Pod}, belongs to no object; it is "
            + "removed: {Removed}")]
    public static partial void Orphan(
        ILogger logger, string checkpoint, ulong bytes, string @namespace, string pod, bool removed);

    [LoggerMessage(
        2002, LogLevel.Information,
        "Deleted PodMigration {Migration}, which has ended with outcome {Outcome} {Seconds} s ago or longer")]
    public static partial void MigrationExpired(ILogger logger, string migration, string? outcome, int seconds);

    [LoggerMessage(
        2003, LogLevel.Warning,
        "PodMigration {Migration} has ended and could not be deleted: {Reason}. It is tried again.")]
    public static partial void MigrationStays(ILogger logger, string migration, string reason);

    [LoggerMessage(
        2004, LogLevel.Warning, "The sweep of retention could not see to {What}: {Reason}. It is tried again.")]
    public static partial void NotSwept(ILogger logger, string what, string reason);
}
