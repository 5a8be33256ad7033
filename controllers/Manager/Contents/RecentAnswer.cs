namespace PodCheckpointing.Manager.Contents;

/// <summary>What the API server has said, asked anew when that is some seconds old.</summary>
/// <remarks>For whoever removes what does not come back: a watch may be silent for minutes. And a list of everything is
/// dear: many who ask one after the other are told once.</remarks>
internal sealed class RecentAnswer<T>(Func<CancellationToken, Task<T>> ask, TimeProvider time)
{
    private static readonly TimeSpan Age = TimeSpan.FromSeconds(10);
    private Answer? _last;

    /// <summary>What it said less than ten seconds ago, or says now.</summary>
    public async Task<T> RecentAsync(CancellationToken cancellationToken) =>
        _last is { } last && time.GetElapsedTime(last.Asked) < Age ? last.Value : await AskAsync(cancellationToken);

    /// <summary>What it says now.</summary>
    public async Task<T> AskAsync(CancellationToken cancellationToken)
    {
        // What is done while it answers may be missing.
        var asked = time.GetTimestamp();
        var value = await ask(cancellationToken);
        _last = new Answer(value, asked);
        return value;
    }

    private sealed record Answer(T Value, long Asked);
}
