using Microsoft.Extensions.Logging;

namespace PodCheckpointing.Runtime;

/// <summary>Everything the runtime logs. Event ids 1000–1099.</summary>
internal static partial class RuntimeLog
{
    [LoggerMessage(1000, LogLevel.Information, "Watch of {Kind} has expired, listing again")]
    public static partial void WatchExpired(ILogger logger, string kind);

    [LoggerMessage(1001, LogLevel.Warning, "Watch of {Kind} failed, listing again")]
    public static partial void WatchFailed(ILogger logger, Exception exception, string kind);

    [LoggerMessage(1002, LogLevel.Warning, "{Controller} gives {Key} up: {Reason}: {Message}")]
    public static partial void Terminal(ILogger logger, string controller, string key, string reason, string message);

    [LoggerMessage(1003, LogLevel.Debug, "{Controller} read {Key} before its last change")]
    public static partial void Conflict(ILogger logger, string controller, string key);

    [LoggerMessage(1004, LogLevel.Error, "{Controller} failed to reconcile {Key}")]
    public static partial void ReconcileFailed(ILogger logger, Exception exception, string controller, string key);

    [LoggerMessage(
        1005, LogLevel.Warning,
        "{Controller} has read {Key} before its last change {Count} times in a row: is the watch behind?")]
    public static partial void Behind(ILogger logger, string controller, string key, int count);

    [LoggerMessage(1006, LogLevel.Information, "{Identity} leads")]
    public static partial void Leads(ILogger logger, string identity);

    [LoggerMessage(1007, LogLevel.Error, "{Identity} leads no more: it stops")]
    public static partial void LeadershipLost(ILogger logger, string identity);

    [LoggerMessage(1008, LogLevel.Warning, "{Identity} could not read or write the lease")]
    public static partial void LeaseFailed(ILogger logger, Exception exception, string identity);

    [LoggerMessage(1009, LogLevel.Warning, "Event {Reason} about {Name} could not be written")]
    public static partial void EventFailed(ILogger logger, Exception exception, string reason, string? name);

    [LoggerMessage(1010, LogLevel.Error, "A handler failed over {Kind} {Key}")]
    public static partial void HandlerFailed(ILogger logger, Exception exception, string kind, string key);
}
