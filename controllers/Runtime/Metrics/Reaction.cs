namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Measures how long it takes from what has an object looked at to the first
/// thing that is done about it.</summary>
/// <remarks>It is time of ours alone: how long the API server takes to answer what is read before, and how long it or
/// somebody else then takes to do it, is not in it, nor how long they take over what the object's run before has asked
/// of them. A run that does nothing is not counted; nor is one of an object about which nothing may be done yet, for a
/// limit or because others come first: that it waits is meant. From when it may go on it counts.</remarks>
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
