namespace PodCheckpointing.Agent;

/// <summary>Instants as the operator compares them between nodes.</summary>
internal static class UnixTime
{
    /// <summary>Nanoseconds since 1970.</summary>
    public static long UnixNanoseconds(this TimeProvider time) =>
        (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
}
