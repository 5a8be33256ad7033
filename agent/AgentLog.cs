namespace PodCheckpointing.Agent;

/// <summary>Everything the agent logs. Event ids 5000–5049.</summary>
internal static partial class AgentLog
{
    [LoggerMessage(
        5000, LogLevel.Information,
        "Dumped container {Container} of pod {PodUid} in {Milliseconds:F0} ms, left stopped: {LeftStopped}")]
    public static partial void Dumped(
        ILogger logger, string podUid, string container, double milliseconds, bool leftStopped);

    [LoggerMessage(
        5001, LogLevel.Information,
        "Staged {Bytes} bytes for container {Container} of pod {PodUid} in {Milliseconds:F0} ms")]
    public static partial void Staged(ILogger logger, string podUid, string container, long bytes, double milliseconds);

    [LoggerMessage(5002, LogLevel.Information, "Continued {Count} processes of pod {PodUid}")]
    public static partial void Continued(ILogger logger, int count, string podUid);

    [LoggerMessage(
        5003, LogLevel.Warning, "Found the dump of container {Container} of pod {PodUid} whose call was lost")]
    public static partial void Found(ILogger logger, string podUid, string container);

    [LoggerMessage(5004, LogLevel.Information, "Removed {Count} folders of restores that nobody needs any more")]
    public static partial void Swept(ILogger logger, int count);

    [LoggerMessage(5005, LogLevel.Warning, "Could not {What}; it is tried again")]
    public static partial void Failed(ILogger logger, Exception exception, string what);

    [LoggerMessage(5006, LogLevel.Information, "Removed {Count} leftovers of dead writers from the volume")]
    public static partial void StoreSwept(ILogger logger, int count);

    [LoggerMessage(
        5009, LogLevel.Debug, "Cannot watch the checkpoint folder; the archive will be stored once complete")]
    public static partial void NotWatched(ILogger logger, Exception exception);

    [LoggerMessage(5010, LogLevel.Warning, "Could not follow the archive; storing it from the start")]
    public static partial void NotFollowed(ILogger logger, Exception exception);

    [LoggerMessage(5011, LogLevel.Information, "Guards {Count} processes whose pages are still to come, of {Folder}")]
    public static partial void Guarded(ILogger logger, int count, string folder);

    [LoggerMessage(5012, LogLevel.Error, "Killed the processes of {Folder}: not all memory pages could be loaded")]
    public static partial void PagesLost(ILogger logger, Exception? exception, string folder);

    [LoggerMessage(
        5013,
        LogLevel.Information,
        "Could not stage container {Container} of pod {PodUid} ahead: {Reason}; staging after the seal")]
    public static partial void NotAhead(ILogger logger, string podUid, string container, string reason);

    [LoggerMessage(5014, LogLevel.Warning, "Released expired address holds of {Count} migrations")]
    public static partial void LetGo(ILogger logger, int count);

    [LoggerMessage(5015, LogLevel.Information, "Warm-up restore failed; the first restore on this node will be slower")]
    public static partial void NotRehearsed(ILogger logger, Exception exception);

    [LoggerMessage(5016, LogLevel.Warning, "Could not update packet filter rules of migration {Holder}; retrying")]
    public static partial void HoldFailed(ILogger logger, Exception exception, string holder);

    [LoggerMessage(5017, LogLevel.Information, "Killed {Count} processes of pod {PodUid}, which goes on elsewhere")]
    public static partial void Ended(ILogger logger, int count, string podUid);

    [LoggerMessage(5018, LogLevel.Warning, "What this agent needs is not there: {Fault}")]
    public static partial void NotReady(ILogger logger, string fault);
}
