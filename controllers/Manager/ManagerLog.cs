namespace PodCheckpointing.Manager;

/// <summary>Every line that the reconcilers log; what concerns one object is an event of that object instead.</summary>
internal static partial class ManagerLog
{
    [LoggerMessage(1, LogLevel.Warning, "A sweep of retention could not finish: {Reason}. The next one begins anew.")]
    public static partial void SweepFailed(ILogger logger, string reason);

    [LoggerMessage(
        2, LogLevel.Warning,
        "Checkpoint {Checkpoint} on the volume, {Bytes} bytes of pod {Namespace}/{Pod}, belongs to no object; it is removed: {Removed}")]
    public static partial void Orphan(ILogger logger, string checkpoint, ulong bytes, string @namespace, string pod, bool removed);

    [LoggerMessage(3, LogLevel.Information, "Deleted PodMigration {Migration}, which has ended with outcome {Outcome} {Seconds} s ago or longer")]
    public static partial void MigrationExpired(ILogger logger, string migration, string? outcome, int seconds);

    [LoggerMessage(4, LogLevel.Warning, "PodMigration {Migration} has ended and could not be deleted: {Reason}. It is tried again.")]
    public static partial void MigrationStays(ILogger logger, string migration, string reason);

    [LoggerMessage(5, LogLevel.Warning, "The sweep of retention could not see to {What}: {Reason}. It is tried again.")]
    public static partial void NotSwept(ILogger logger, string what, string reason);
}
