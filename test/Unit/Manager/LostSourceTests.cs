using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A source whose node is given up for lost on the way back, as the simulation has found it: the node may come
/// back.</summary>
public sealed class LostSourceTests : MigrationTests
{
    [Test]
    public async Task A_fenced_source_goes_with_its_node_for_nobody_lifts_its_fence_when_that_is_back()
    {
        _world.HasCome(Fenced, Steps.Fence);
        await LoseAsync();

        _world.Deleted.Should().Contain("p");
        _world.Status.Outcome.Should().Be(Outcomes.Lost, "its dump may have stopped it");
    }

    [Test]
    public async Task A_source_that_no_fence_was_asked_for_is_left_to_those_who_gave_its_node_up()
    {
        _world.HasCome(Prepared);
        await LoseAsync();

        _world.Deleted.Should().NotContain("p");
        _world.Status.Outcome.Should().Be(Outcomes.SourceGone);
    }

    private async Task LoseAsync()
    {
        _world.Put(MigrationWorld.Node("a", outOfService: true, ready: "Unknown"));
        _world.Answer(new CancelRestoreResponse());
        await _world.ReconcileAFewTimesAsync();
    }
}
