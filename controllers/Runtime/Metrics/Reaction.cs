namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Measures how long it takes from what has an object looked at to the first
/// thing that is done about it.</summary>
/// <remarks>Counts only our own time. Not included: waiting for the API server's answers to reads, the time that a
/// write or call then takes, and work that the previous run started. Runs that do nothing, or must wait for a limit or
/// until others have had their turn, are not counted.</remarks>
public static class Reaction
{
    private static readonly AsyncLocal<Run?> Current = new();

    /// <summary>Something is done now: a write to the API server, or a call to somebody else.</summary>
    public static void Acts() => Current.Value?.Act();

    /// <summary>The run has waited for the API server to answer what it has read.</summary>
    internal static void HasWaited(TimeSpan time) => Current.Value?.HasWaited(time);

    internal static void Begin(string controller, long? dueAt, TimeProvider time) =>
        Current.Value = dueAt is { } at ? new Run(controller, at, time) : null;

    private sealed class Run(string controller, long dueAt, TimeProvider time)
    {
        private int _acted;
        private long _waited;

        public void Act()
        {
            if (Interlocked.Exchange(ref _acted, 1) == 0)
            {
                var waited = TimeSpan.FromTicks(Volatile.Read(ref _waited));
                RuntimeMetrics.ReactionTime.Record((time.GetElapsedTime(dueAt) - waited).TotalSeconds, controller);
            }
        }

        public void HasWaited(TimeSpan time) => Interlocked.Add(ref _waited, time.Ticks);
    }
}
