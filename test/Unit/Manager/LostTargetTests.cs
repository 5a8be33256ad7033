using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A target, or its node, that goes, as the simulation has found it.</summary>
public sealed class LostTargetTests : MigrationTests
{
    [Test]
    public async Task No_target_is_made_for_a_node_that_is_lost()
    {
        _world.HasCome([ConditionTypes.Validated]);
        _world.Put(MigrationWorld.Node("b", outOfService: true));

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack)!.Reason.Should().Be(Reasons.NodeLost);
        _world.All<V1Pod>().Should().ContainSingle().Which.Metadata.Name.Should().Be("p");
    }

    [Test]
    public async Task A_target_that_has_gone_is_not_made_again()
    {
        _world.HasCome([ConditionTypes.Validated]);

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack)!.Message.Should().Be("the target pod has gone before it was verified");
        _world.All<V1Pod>().Should().ContainSingle().Which.Metadata.Name.Should().Be("p");
    }

    [Test]
    public async Task A_target_that_another_life_of_the_operator_has_had_staged_is_prepared(
        [Values("Waiting", "Staged", "Restored")] string phase)
    {
        _world.HasCome([ConditionTypes.Validated]);
        _world.Put(Target());
        _world.Answer(new GetRestoreResponse { Containers = { new ContainerRestore { ContainerName = "c", Phase = phase } } });

        await _world.ReconcileAsync();
        _world.Time.Advance(StatusDrafts.Patience);
        await _world.ReconcileAsync();

        _world.Status.Conditions.IsTrue(ConditionTypes.TargetPrepared).Should().BeTrue();
    }

    [Test]
    public async Task The_way_back_names_the_node_that_holds_the_address()
    {
        _world.HasCome([ConditionTypes.Validated, ConditionTypes.SourceFenced, ConditionTypes.Checkpointed], Steps.Hold);
        GoBack();
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAsync();
        await _world.ReconcileAsync();

        _world.Status.CompletionTime.Should().BeNull();
        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Status == "True" && c.Reason == Reasons.AgentUnavailable && c.Message.StartsWith("node b, which was to take the pod's address"));
    }

    [Test]
    public async Task A_fresh_start_says_that_its_node_is_silent()
    {
        _world.HasCome([ConditionTypes.Validated, ConditionTypes.SourceFenced, ConditionTypes.SourceRemoved], Steps.ColdStart);
        GoBack();
        _world.Put(Target());
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Status == "True" && c.Message.StartsWith("the pod is to start afresh as p-m at node b, which does not answer"));
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.Take<V1Pod>("n", "p-m");
        await _world.ReconcileAsync();
        _world.Status.Outcome.Should().Be(Outcomes.ColdStarted, "what was started is gone, which it says");
    }

    private static V1Pod Target() => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = "p-m", NamespaceProperty = "n", Uid = "target-uid",
            Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "migration-uid" },
        },
        Spec = new V1PodSpec { NodeName = "b", Containers = [new V1Container { Name = "c" }] },
    };

    private void GoBack() => _world.Put(_world.Migration with
    {
        Status = _world.Status with
        {
            Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.TimedOut, "late", 1, _world.Time.GetUtcNow().UtcDateTime),
        },
    });
}
