namespace PodCheckpointing.TestKubelet;

/// <summary>Everything the test kubelet logs. Event ids 8000–8099.</summary>
internal static partial class KubeletLog
{
    [LoggerMessage(8000, LogLevel.Warning, "Syncing pod {Uid} failed")]
    public static partial void SyncFailed(ILogger logger, Exception exception, string uid);

    [LoggerMessage(8001, LogLevel.Warning, "Watching pods failed")]
    public static partial void WatchFailed(ILogger logger, Exception exception);

    [LoggerMessage(8002, LogLevel.Information, "Registered node {Node}")]
    public static partial void Registered(ILogger logger, string node);
}
