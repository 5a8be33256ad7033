using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What is known of a node's clock.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class NodeClockTests
{
    private readonly HandTime _time = new();
    private readonly NodeClock _clock;

    public NodeClockTests() => _clock = new NodeClock(_time);

    [Test]
    public void The_quickest_exchange_counts()
    {
        Exchange(ahead: 100, roundTrip: 10);
        Exchange(ahead: 105, roundTrip: 40);
        Offset.Should().Be(100);

        Exchange(ahead: 99, roundTrip: 2);
        Offset.Should().Be(99);
    }

    [Test]
    public void An_old_exchange_gives_way_to_a_slower_one()
    {
        Exchange(ahead: 100, roundTrip: 2);
        _time.Advance(NodeClock.Age);

        Exchange(ahead: 105, roundTrip: 40);

        Offset.Should().Be(105);
    }

    [Test]
    public void An_exchange_that_no_slowness_explains_shows_that_a_clock_was_set()
    {
        Exchange(ahead: 100, roundTrip: 2);

        Exchange(ahead: 3_600_000, roundTrip: 40);

        Offset.Should().Be(3_600_000);
    }

    private double Offset => _clock.Offset.TotalMilliseconds;

    private void Exchange(int ahead, int roundTrip)
    {
        var sent = _time.GetUtcNow();
        var there = (sent.AddMilliseconds((roundTrip / 2.0) + ahead) - DateTimeOffset.UnixEpoch).Ticks * 100;
        _clock.AddSample(
            sent, sent.AddMilliseconds(roundTrip),
            new ClockSample { ReceivedUnixNanos = there, SentUnixNanos = there });
    }
}
