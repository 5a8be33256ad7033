using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Manager.Agents;

/// <summary>How far a node's clock is ahead of ours, by the exchanges with its agent.</summary>
internal sealed class NodeClock(TimeProvider time)
{
    /// <summary>How long an exchange counts: clocks drift, and are set.</summary>
    internal static readonly TimeSpan Age = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private (TimeSpan RoundTrip, TimeSpan Offset, long At)? _best;

    /// <summary>The best estimate; zero before there is one.</summary>
    public TimeSpan Offset
    {
        get
        {
            lock (_lock)
            {
                return _best?.Offset ?? TimeSpan.Zero;
            }
        }
    }

    /// <summary>NTP's estimate; the exchange with the shortest way there and back is the best one, as long as no later
    /// one shows that a clock was set since.</summary>
    public void AddSample(DateTimeOffset sent, DateTimeOffset received, ClockSample? sample)
    {
        if (sample is null)
        {
            return;
        }

        var (there, back) = (Instant(sample.ReceivedUnixNanos) - sent, Instant(sample.SentUnixNanos) - received);
        var next = (RoundTrip: received - sent, Offset: (there + back) / 2, At: time.GetTimestamp());
        lock (_lock)
        {
            if (_best is not { } best || next.RoundTrip < best.RoundTrip || time.GetElapsedTime(best.At) >= Age
                || (next.Offset - best.Offset).Duration() > next.RoundTrip + best.RoundTrip)
            {
                _best = next;
            }
        }
    }

    private static DateTimeOffset Instant(long nanoseconds) => DateTimeOffset.UnixEpoch.AddTicks(nanoseconds / 100);
}
