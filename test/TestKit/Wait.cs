using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace PodCheckpointing.TestKit;

/// <summary>Waits for what other processes do, where there is nothing to wait for but time.</summary>
internal static class Wait
{
    /// <summary>Only a failure takes so long: a slow machine fails no test by it.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromMinutes(3);

    /// <summary>Waits until something is so.</summary>
    /// <exception cref="TimeoutException">It is not, after minutes.</exception>
    public static Task UntilAsync(Func<bool> done, [CallerArgumentExpression(nameof(done))] string what = "") =>
        UntilAsync(() => Task.FromResult(done()), what);

    /// <inheritdoc cref="UntilAsync(Func{bool}, string)"/>
    public static Task UntilAsync(Func<Task<bool>> done, [CallerArgumentExpression(nameof(done))] string what = "") =>
        UntilAsync(done, so => so, what);

    /// <summary>Looks until what is seen is what is waited for, and returns it.</summary>
    /// <exception cref="TimeoutException">It is not, after minutes; with what was seen last.</exception>
    public static async Task<T> UntilAsync<T>(
        Func<Task<T>> look, Func<T, bool> done, [CallerArgumentExpression(nameof(done))] string what = "")
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var seen = await look().WaitAsync(Patience);
            if (done(seen))
            {
                return seen;
            }

            if (watch.Elapsed > Patience)
            {
                throw new TimeoutException($"not in {Patience}: {what}; seen last: {seen}");
            }

            await Task.Delay(10);
        }
    }
}
