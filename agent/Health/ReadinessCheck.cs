namespace PodCheckpointing.Agent.Health;

/// <summary>Asks for one thing again and again, and knows what came of it the last time.</summary>
/// <remarks>Who wants to know never waits: what does not answer at all is found by how long ago it last did.</remarks>
/// <param name="what">The thing, for people.</param>
/// <param name="ask">Asks it; what is wrong with it, or null.</param>
/// <param name="time">The clock.</param>
internal sealed class ReadinessCheck(string what, Func<CancellationToken, Task<string?>> ask, TimeProvider time)
{
    /// <summary>From one answer to the next question, while all is well.</summary>
    internal static readonly TimeSpan Period = TimeSpan.FromSeconds(30);

    /// <summary>And while it is not.</summary>
    internal static readonly TimeSpan Impatience = TimeSpan.FromSeconds(5);

    /// <summary>How old an answer may be.</summary>
    internal static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private volatile Answer? _last;

    /// <summary>What is wrong, or null.</summary>
    public string? Fault => _last switch
    {
        null => $"{what} has not answered yet",
        { } last when time.GetElapsedTime(last.At) > Limit =>
            $"{what} has not answered for {time.GetElapsedTime(last.At).TotalSeconds:0} s",
        { } last => last.Fault,
    };

    /// <summary>Asks until it is stopped.</summary>
    public async Task RunAsync(Action<string?> changed, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            string? fault;
            try
            {
                // The end of this process is not waited for where the answer is: by a thread that hangs in the kernel.
                fault = await ask(cancellationToken).WaitAsync(cancellationToken);
            }
            catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
            {
                fault = $"{what}: {exception.Message}";
            }

            if (_last is not { } before || before.Fault != fault)
            {
                changed(fault);
            }

            _last = new Answer(fault, time.GetTimestamp());
            await Task.Delay(fault is null ? Period : Impatience, time, cancellationToken);
        }
    }

    private sealed record Answer(string? Fault, long At);
}
