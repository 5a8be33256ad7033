using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Which node's agent is asked for which part of a migration, and by which node's clock its word is taken. A
/// call that goes astray fails any test (<see cref="MigrationWorld.Astray"/>); here is what no other has.</summary>
public sealed class AskedNodesTests : MigrationTests
{
    [Test]
    public async Task A_pod_that_takes_its_address_along_is_ended_at_its_own_node_and_goes_on_at_the_target()
    {
        var now = _world.Time.GetUtcNow();
        var source = _world.Find<V1Pod>(new("n", "p"))!;
        _world.Put(source with
        {
            Metadata = source.Metadata with
            {
                Annotations = new Dictionary<string, string> { [PodAddress.OwnAddresses] = """["192.0.2.7"]""" },
            },
            Status = source.Status! with { PodIP = "192.0.2.7" },
        });
        _world.HasCome([ConditionTypes.Validated]);
        _world.PutCheckpoint(whole: true);
        _world.PutTarget(new V1PodStatus
        {
            Phase = "Running",
            ContainerStatuses = [new V1ContainerStatus { Name = "c", State = new() { Running = new() } }],
        });
        // It stopped at a by a's clock now, which was a second ago.
        _world.Agent("a").ClockOffset = TimeSpan.FromSeconds(1);
        _world.Agent("b").ClockOffset = TimeSpan.FromSeconds(3);
        _world.Answer(new FenceResponse { FencedAt = Timestamp.FromDateTimeOffset(now) });
        _world.Answer(new HoldAddressesResponse());
        _world.Answer(new PrepareRestoreResponse());
        _world.Answer(new ReleaseRestoreResponse());
        _world.Answer(new EndProcessesResponse());
        _world.Answer(new UnfenceResponse());
        var runs = new ContainerRestore
        {
            ContainerName = "c", Phase = "Running", RunningAt = Timestamp.FromDateTimeOffset(now.AddMilliseconds(2250)),
        };
        _world.Answer(new GetRestoreResponse { Containers = { runs }, Addresses = { "192.0.2.7" } });

        await _world.ReconcileAFewTimesAsync();
        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.Restored);
        _world.Status.DowntimeMilliseconds.Should().Be(250);
        _world.AskedAt.Should().Equal(
            "a FenceRequest", "b HoldAddressesRequest", "b GetRestoreRequest", "b PrepareRestoreRequest",
            "b GetRestoreRequest", "b ReleaseRestoreRequest", "b GetRestoreRequest", "b GetRestoreRequest",
            "a EndProcessesRequest", "a UnfenceRequest");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task What_is_being_dumped_is_staged_ahead_at_the_target_where_that_can_be_asked(bool known)
    {
        var uid = Guid.NewGuid().ToString();
        _world.Change("p", m => m with { Uid = uid });
        _world.HasCome(Fenced);
        _world.Put(_world.Migration with
        {
            Metadata = _world.Migration.Metadata with { Uid = uid }, Status = _world.Status with { PodUID = uid },
        });
        _world.PutTarget();
        if (!known)
        {
            _world.Take<V1Node>(null, "b");
        }

        await _world.ReconcileAsync();

        _world.AskedAt.Should().Equal(known ? ["b StageAheadRequest"] : []);
        _world.Status.Phase.Should().Be(MigrationPhases.Checkpointing);
    }

    [Test]
    public async Task What_stands_at_the_target_is_undone_there_and_the_source_goes_on_at_its_own_node()
    {
        _world.HasCome(Dumped, Steps.Hold, Steps.Restore);
        _world.PutTarget();
        TurnBack();
        _world.Answer(new CancelRestoreResponse { HasRun = true });
        _world.Answer(new UnfenceResponse());
        _world.Answer(new HoldAddressesResponse());

        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.AskedAt.Should().Equal(
            "b CancelRestoreRequest", "b CancelRestoreRequest", "a UnfenceRequest", "b HoldAddressesRequest");
    }

    [Test]
    public async Task A_source_that_is_started_afresh_elsewhere_ends_at_its_own_node()
    {
        _world.HasCome(Fenced, Steps.Receive, Steps.Fence);
        TurnBack();
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { OnFailure = OnFailurePolicies.ColdStart },
        });
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAFewTimesAsync();

        _world.Deleted.Should().Equal("p");
        _world.AskedAt.Should().Equal("b CancelRestoreRequest", "a UnfenceRequest", "a CancelRestoreRequest");
    }

    [TestCase(3, true)]
    [TestCase(12, false)]
    public async Task How_soon_a_target_fails_is_told_by_its_own_nodes_clock(int seconds, bool back)
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.Agent("b").ClockOffset = TimeSpan.FromMinutes(1);
        var end = new V1ContainerStateTerminated
        {
            ExitCode = 139, FinishedAt = _world.Time.GetUtcNow().UtcDateTime.AddMinutes(1).AddSeconds(seconds),
        };
        _world.PutTarget(new V1PodStatus
        {
            ContainerStatuses =
            [
                new V1ContainerStatus { Name = "c", RestartCount = 1, LastState = new() { Terminated = end } },
            ],
        });

        await _world.ReconcileAsync();

        (_world.Condition(ConditionTypes.RolledBack) is not null).Should().Be(back);
    }

    private void TurnBack() => _world.Put(_world.Migration with
    {
        Status = _world.Status with
        {
            Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.RestoreFailed, "CRIU says no", 1, DateTime.UnixEpoch),
        },
    });
}
