using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>How a source ends whose pod goes on elsewhere.</summary>
public sealed class EndSourceTests : MigrationTests
{
    [SetUp]
    public void Begin() => _world.PutTarget();

    [Test]
    public async Task A_source_whose_processes_are_killed_is_no_way_back()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit, Steps.EndSource);
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.Answer(new EndProcessesResponse());

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().BeNull();
        _world.Deleted.Should().Equal("p");
    }

    [Test]
    public async Task The_source_has_no_processes_any_more_when_its_kubelet_hears_of_its_end()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);

        await _world.ReconcileAsync();

        // That there is no way back is stored before anything is killed.
        _world.Deleted.Should().BeEmpty();
        _world.Status.Steps.Should().Contain(s => s.Name == Steps.EndSource);

        _world.Answer(new EndProcessesResponse());
        await _world.ReconcileAsync();

        _world.Deleted.Should().Equal("p");
    }

    [Test]
    public async Task A_run_that_somebody_has_overtaken_kills_nothing_and_writes_over_nothing()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.Overtaking = _world.Abort;

        await FluentActions.Awaiting(_world.ReconcileAsync).Should().ThrowAsync<ConflictException>();

        _world.Asked.Should().BeEmpty("that there is no way back is not stored");
        _world.Migration.Spec.Abort.Should().BeTrue();
        _world.Status.Steps.Should().NotContain(s => s.Name == Steps.EndSource);
    }

    /// <summary>Its object was deleted by force, and its kubelet has not heard of it: under the fence
    /// alone nothing starts again.</summary>
    [Test]
    public async Task The_fence_of_a_source_without_an_object_is_lifted_when_its_processes_have_ended()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.Take<V1Pod>("n", "p");

        await _world.ReconcileAsync();
        _world.Asked.Should().Equal(typeof(EndProcessesRequest));

        _world.Answer(new EndProcessesResponse());
        await _world.ReconcileAsync();

        _world.Asked.Should().Equal(typeof(EndProcessesRequest), typeof(UnfenceRequest));
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_source_whose_processes_nobody_can_kill_is_ended_by_its_kubelet(bool silent)
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit, Steps.EndSource);
        if (silent)
        {
            _world.Put(MigrationWorld.Node("a", ready: "False"));
        }
        else
        {
            _world.Refuse<EndProcessesResponse>(
                new AgentException(Reasons.CheckpointFailed, "holds no fence of it", isTerminal: true));
        }

        await _world.ReconcileAsync();

        _world.Deleted.Should().Equal("p");
    }

    [Test]
    public async Task An_agent_that_does_not_answer_at_the_source_is_told_as_such_and_not_waited_for_for_ever()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit, Steps.EndSource);
        _world.Refuse<EndProcessesResponse>(
            new AgentException(Reasons.AgentUnavailable, "no answer", isTerminal: false));

        await FluentActions.Awaiting(_world.ReconcileAsync).Should().ThrowAsync<AgentException>();

        // The copy that runs is nobody's to delete.
        _world.Condition(ConditionTypes.Stalled)!.Message.Should().Contain("node a").And.NotContain("delete pod p-m");
        _world.Deleted.Should().BeEmpty();

        _world.Time.Advance(TimeSpan.FromSeconds(31));
        await _world.ReconcileAsync();

        _world.Deleted.Should().Equal("p");
    }
}
