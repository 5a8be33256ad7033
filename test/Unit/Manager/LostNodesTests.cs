using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Unit.Manager;

/// <summary>When a node is taken to be dead.</summary>
public sealed class LostNodesTests : MigrationTests
{
    private LostNodes _lost = null!;

    [SetUp]
    public void Begin() => _lost = new LostNodes(_world, _world.Time);

    [Test]
    public void A_silent_node_is_not_lost_and_one_out_of_service_is_at_once()
    {
        _world.Put(MigrationWorld.Node("a", ready: "Unknown"));
        _world.Put(MigrationWorld.Node("b", outOfService: true));

        _lost.Contains("a").Should().BeFalse();
        _lost.Contains("b").Should().BeTrue();
    }

    [TestCase("True", false)]
    [TestCase("False", true)]
    [TestCase("Unknown", true)]
    public void A_taint_on_a_node_that_is_ready_proves_nothing(string ready, bool lost)
    {
        _world.Put(MigrationWorld.Node("b", outOfService: true, ready));

        _lost.Contains("b").Should().Be(lost);
    }

    [Test]
    public void A_node_whose_object_is_away_is_lost_when_it_has_been_for_longer_than_it_takes_to_register_anew()
    {
        _world.Take<V1Node>(null, "a");

        _lost.Contains("a").Should().BeFalse();
        _world.Time.Advance(LostNodes.Absence - TimeSpan.FromTicks(1));
        _lost.Contains("a").Should().BeFalse();
        _world.Put(MigrationWorld.Node("a"));
        _lost.Contains("a").Should().BeFalse();
        _world.Take<V1Node>(null, "a");
        _world.Time.Advance(LostNodes.Absence);
        _lost.Contains("a").Should().BeFalse("it was seen meanwhile");
        _world.Time.Advance(LostNodes.Absence);
        _lost.Contains("a").Should().BeTrue();
    }

    [Test]
    public void A_node_that_was_back_for_a_moment_is_away_since_then_though_nobody_has_asked_meanwhile()
    {
        var node = _world.Find<V1Node>(new(null, "a"))!;
        _world.Take<V1Node>(null, "a");
        _lost.Contains("a").Should().BeFalse();
        _world.Time.Advance(LostNodes.Absence / 2);
        _world.Put(node);
        _lost.Observe(node);
        _world.Take<V1Node>(null, "a");
        _lost.Observe(node);
        _world.Time.Advance(LostNodes.Absence / 2);

        _lost.Contains("a").Should().BeFalse();
        _world.Time.Advance(LostNodes.Absence / 2);
        _lost.Contains("a").Should().BeTrue();
    }

    [Test]
    public void A_node_is_not_lost_because_somebody_sets_the_clock()
    {
        _world.Take<V1Node>(null, "a");
        _lost.Contains("a").Should().BeFalse();

        _world.Time.SetClock(TimeSpan.FromHours(1));

        _lost.Contains("a").Should().BeFalse();
    }
}
