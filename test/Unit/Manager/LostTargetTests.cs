using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
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

        _world.Condition(ConditionTypes.RolledBack)!.Message
            .Should().Be("the target pod has gone before it was verified");
        _world.All<V1Pod>().Should().ContainSingle().Which.Metadata.Name.Should().Be("p");
    }

    [Test]
    public async Task A_target_that_another_life_of_the_operator_has_had_staged_is_prepared(
        [Values("Waiting", "Staged", "Restored")] string phase)
    {
        _world.HasCome([ConditionTypes.Validated]);
        _world.Put(Target());
        _world.Answer(
            new GetRestoreResponse { Containers = { new ContainerRestore { ContainerName = "c", Phase = phase } } });

        await _world.ReconcileAsync();
        _world.Time.Advance(StatusDrafts.Patience);
        await _world.ReconcileAsync();

        _world.Status.Conditions.IsTrue(ConditionTypes.TargetPrepared).Should().BeTrue();
    }

    [TestCase("the node has booted since")]
    [TestCase(null)]
    public async Task A_target_whose_process_has_gone_before_kubelet_says_that_it_runs_is_not_verified(string? why)
    {
        _world.HasCome(
        [
            ConditionTypes.Validated,
            ConditionTypes.SourceFenced,
            ConditionTypes.Checkpointed,
            ConditionTypes.TargetPrepared,
        ], Steps.Restore);
        _world.PutCheckpoint();
        _world.PutTarget(Says(new V1ContainerState { Waiting = new V1ContainerStateWaiting() }));
        _world.Answer(new ReleaseRestoreResponse());
        _world.Answer(Runs());
        await _world.ReconcileAFewTimesAsync();
        _world.Condition(ConditionTypes.RestoreVerified).Should().BeNull("kubelet has said nothing yet");

        var gone = Runs();
        gone.Containers[0].Phase = why is null ? "Running" : "Failed";
        gone.Containers[0].Message = why ?? "";
        gone.Containers[0].Ended = why is null;
        _world.Answer(gone);
        // After a boot it starts the container afresh, and a crash it tells a moment later.
        _world.PutTarget(Says(new V1ContainerState { Running = new V1ContainerStateRunning() }));
        await _world.ReconcileAFewTimesAsync();

        _world.Condition(ConditionTypes.RestoreVerified).Should().BeNull();
        _world.Condition(ConditionTypes.RolledBack)?.Message.Should().Contain(why);
        (_world.Condition(ConditionTypes.RolledBack) is not null)
            .Should().Be(why is not null, "how it has ended kubelet tells");
    }

    [TestCase(1, false)]
    [TestCase(0, true)]
    public async Task A_target_whose_process_has_gone_is_verified_by_how_it_has_ended(int exitCode, bool verified)
    {
        _world.HasCome(
        [
            ConditionTypes.Validated,
            ConditionTypes.SourceFenced,
            ConditionTypes.Checkpointed,
            ConditionTypes.TargetPrepared,
        ], Steps.Restore);
        _world.PutCheckpoint();
        _world.PutTarget(Says(new V1ContainerState { Running = new V1ContainerStateRunning() }));
        _world.Answer(new ReleaseRestoreResponse());
        var ended = Runs();
        ended.Containers[0].Ended = true;
        _world.Answer(ended);
        await _world.ReconcileAFewTimesAsync();
        _world.Condition(ConditionTypes.RestoreVerified).Should().BeNull();

        _world.PutTarget(Says(new V1ContainerState { Terminated = new V1ContainerStateTerminated
        {
            ExitCode = exitCode,
            FinishedAt = _world.Time.GetUtcNow().UtcDateTime,
        } }));
        await _world.ReconcileAFewTimesAsync();

        (_world.Condition(ConditionTypes.RestoreVerified)?.Status == "True").Should().Be(verified);
        (_world.Condition(ConditionTypes.RolledBack) is not null).Should().Be(!verified);
    }

    [Test]
    public async Task The_way_back_names_the_node_that_holds_the_address()
    {
        _world.HasCome(
            [ConditionTypes.Validated, ConditionTypes.SourceFenced, ConditionTypes.Checkpointed], Steps.Hold);
        GoBack();
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAsync();
        await _world.ReconcileAsync();

        _world.Status.CompletionTime.Should().BeNull();
        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Status == "True"
            && c.Reason == Reasons.AgentUnavailable
            && c.Message.StartsWith("node b, which was to take the pod's address"));
    }

    [Test]
    public async Task A_fresh_start_says_that_its_node_is_silent()
    {
        _world.HasCome(
            [ConditionTypes.Validated, ConditionTypes.SourceFenced, ConditionTypes.SourceRemoved], Steps.ColdStart);
        GoBack();
        _world.Put(Target());
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Status == "True"
            && c.Message.StartsWith("the pod is to start afresh as p-m at node b, which does not answer"));
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.Take<V1Pod>("n", "p-m");
        await _world.ReconcileAsync();
        _world.Status.Outcome.Should().Be(Outcomes.ColdStarted, "what was started is gone, which it says");
    }

    [Test]
    public async Task An_agent_that_answers_with_a_failure_is_not_called_silent()
    {
        _world.HasCome(
            [ConditionTypes.Validated, ConditionTypes.SourceFenced, ConditionTypes.Checkpointed], Steps.Restore);
        GoBack();
        _world.Put(Target());
        _world.Refuse<CancelRestoreResponse>(
            AgentException.Of("b", new RpcException(
                new global::Grpc.Core.Status(StatusCode.Internal, "IOException; see the server's log"))));

        await FluentActions.Awaiting(_world.ReconcileAsync).Should().ThrowAsync<AgentException>("it is asked again");

        // "Dead for certain" would be the word for a node that runs the pod.
        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.AgentFailed
            && c.Message == "the agent of node b failed: Internal: IOException; see the server's log");
    }

    private static V1PodStatus Says(V1ContainerState state) =>
        new() { Phase = "Running", ContainerStatuses = [new V1ContainerStatus { Name = "c", State = state }] };

    private GetRestoreResponse Runs() => new()
    {
        Containers =
        {
            new ContainerRestore
            {
                ContainerName = "c",
                Phase = "Running",
                RunningAt = Timestamp.FromDateTimeOffset(_world.Time.GetUtcNow()),
            },
        },
    };

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
