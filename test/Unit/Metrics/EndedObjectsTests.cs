using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;
using PodCheckpointing.Unit.Runtime;

namespace PodCheckpointing.Unit.Metrics;

public sealed class EndedObjectsTests
{
    private readonly HandTime _time = new();
    private readonly FakeLeadership _leadership = new();
    private MetricsExporter _exporter = null!;
    private EndedObjects _ended = null!;

    [SetUp]
    public void Listen()
    {
        _exporter = new MetricsExporter(OperatorMetrics.Set);
        _ended = new EndedObjects(_leadership, _time);
        _leadership.Lead();
    }

    [TearDown]
    public void Unhear() => _exporter.Dispose();

    [Test]
    public void A_migration_counts_once_when_it_ends()
    {
        var migration = Migration("m1", null);
        _ended.Observe(migration);
        _exporter.Of("podmigration_operations_total{result=\"success\"}").Should().Be(0);

        var ended = Ended(migration, Outcomes.Restored, ConditionTypes.Ready, "True", Reasons.Succeeded);
        _ended.Observe(ended);
        _ended.Observe(ended with { Metadata = ended.Metadata with { ResourceVersion = "9" } });

        _exporter.Of("podmigration_operations_total{result=\"success\"}").Should().Be(1);
        _exporter.Of("podmigration_operations_total{result=\"failure\"}").Should().Be(0);
        _exporter.Of("podmigration_outcomes_total{outcome=\"Restored\",reason=\"Succeeded\"}").Should().Be(1);
        _exporter.Of("podmigration_duration_seconds_sum{result=\"success\"}").Should().Be(4);
        _exporter.Of("podmigration_downtime_seconds_sum").Should().Be(0.42);
        _exporter.Of("podmigration_size_bytes_sum").Should().Be(1234);
        _exporter.Of("podmigration_step_duration_seconds_sum{step=\"Checkpoint\"}").Should().Be(1.5);
        _exporter.Of("podmigration_step_duration_seconds_count{step=\"Restore\"}").Should().Be(0, "it has not ended");
    }

    [Test]
    public void A_migration_that_went_back_is_a_failure_with_its_reason_and_no_downtime()
    {
        _ended.Observe(Ended(
            Migration("m1", null), Outcomes.RolledBack, ConditionTypes.RolledBack, "True", Reasons.RestoreFailed));

        _exporter.Of("podmigration_operations_total{result=\"failure\"}").Should().Be(1);
        _exporter.Of("podmigration_outcomes_total{outcome=\"RolledBack\",reason=\"RestoreFailed\"}").Should().Be(1);
        _exporter.Of("podmigration_downtime_seconds_count").Should().Be(0);
    }

    [Test]
    public void A_pod_that_is_lost_is_counted_by_itself()
    {
        _exporter.Of("podmigration_lost_total").Should().Be(0, "increase() must see the first one");
        _ended.Observe(Ended(
            Migration("m1", null), Outcomes.RolledBack, ConditionTypes.RolledBack, "True", Reasons.RestoreFailed));
        _exporter.Of("podmigration_lost_total").Should().Be(0);

        _ended.Observe(
            Ended(Migration("m2", null), Outcomes.Lost, ConditionTypes.RolledBack, "False", Reasons.NodeLost));

        _exporter.Of("podmigration_lost_total").Should().Be(1);
    }

    [TestCase(Outcomes.RolledBack, Reasons.Aborted, "aborted")]
    [TestCase(Outcomes.SourceGone, Reasons.PodNotFound, "aborted")]
    [TestCase(Outcomes.Lost, Reasons.Aborted, "failure")]
    [TestCase(Outcomes.RolledBack, Reasons.TimedOut, "failure")]
    public void What_somebody_has_ended_is_no_failure(string outcome, string reason, string result)
    {
        _ended.Observe(Ended(Migration("m1", null), outcome, ConditionTypes.RolledBack, "True", reason));

        _exporter.Of($"podmigration_operations_total{{result=\"{result}\"}}").Should().Be(1);
        _exporter.Of($"podmigration_operations_total{{result=\"{(result == "failure" ? "aborted" : "failure")}\"}}")
            .Should().Be(0);
        _exporter.Of($"podmigration_duration_seconds_count{{result=\"{result}\"}}").Should().Be(1);
        _exporter.Of("podmigration_lost_total").Should().Be(outcome == Outcomes.Lost ? 1 : 0);
    }

    [Test]
    public void One_that_was_asked_to_stop_before_it_began_is_refused_no_more_than_it_failed()
    {
        var stopped = Ended(Migration("m1", null), null, ConditionTypes.RolledBack, "True", Reasons.Aborted);
        _ended.Observe(stopped with { Status = stopped.Status! with { Conditions = [stopped.Status.Conditions![0]] } });

        _exporter.Of("podmigration_operations_total{result=\"aborted\"}").Should().Be(1);
        _exporter.Of("podmigration_operations_total{result=\"refused\"}").Should().Be(0);
    }

    [Test]
    public void One_that_is_left_for_inspection_hides_none_that_is_stuck()
    {
        var now = _time.GetUtcNow().UtcDateTime;
        PodMigration Begun(int ago, string? outcome) =>
            Migration("m", new PodMigrationStatus { StartTime = now.AddSeconds(-ago), Outcome = outcome });

        _ended.OldestAge([Begun(9000, Outcomes.Left), Begun(30, null)]).Should().Be(30);
    }

    [TestCase(true, false)]
    [TestCase(false, true)]
    public void One_that_was_left_is_under_way_again_when_somebody_wants_it_back(bool aborted, bool deleted)
    {
        var now = _time.GetUtcNow().UtcDateTime;
        var left = Migration(
            "m", new PodMigrationStatus { StartTime = now.AddSeconds(-9000), Outcome = Outcomes.Left });

        _ended.OldestAge([left with
        {
            Metadata = left.Metadata with { DeletionTimestamp = deleted ? now : null },
            Spec = new PodMigrationSpec { Abort = aborted },
        }]).Should().Be(9000, "it may be stuck on its way");
    }

    [Test]
    public void The_oldest_migration_is_the_one_that_began_first_of_those_that_have_not_ended()
    {
        var now = _time.GetUtcNow().UtcDateTime;
        PodMigration Begun(int ago, bool ended) => Migration("m", new PodMigrationStatus
        {
            StartTime = now.AddSeconds(-ago), CompletionTime = ended ? now : null,
        });

        _ended.OldestAge([]).Should().Be(0);
        _ended.OldestAge(
            [Begun(700, true), Begun(30, false), Migration("w", new PodMigrationStatus()), Begun(50, false)])
            .Should().Be(50);
    }

    [Test]
    public void One_that_was_never_possible_is_refused_and_no_failure()
    {
        var refused = Ended(Migration("m1", null), null, ConditionTypes.RolledBack, "True", Reasons.PodNotFound);
        _ended.Observe(refused with { Status = refused.Status! with { Conditions = [refused.Status.Conditions![0]] } });

        _exporter.Of("podmigration_operations_total{result=\"refused\"}").Should().Be(1);
        _exporter.Of("podmigration_operations_total{result=\"failure\"}").Should().Be(0);
    }

    [Test]
    public void A_word_that_somebody_else_wrote_is_no_label()
    {
        _ended.Observe(Ended(Migration("m1", null), null, ConditionTypes.RolledBack, "True", "MyOwnReason-4711"));

        _exporter.Of("podmigration_outcomes_total{outcome=\"None\",reason=\"Other\"}").Should().Be(1);
    }

    [Test]
    public void One_that_does_not_lead_counts_nothing_also_not_later()
    {
        _leadership.Lose();
        var ended = Ended(Migration("m1", null), Outcomes.Restored, ConditionTypes.Ready, "True", Reasons.Succeeded);
        _ended.Observe(ended);
        _leadership.Lead();
        _ended.Observe(ended);

        _exporter.Of("podmigration_operations_total{result=\"success\"}").Should().Be(0);
    }

    [Test]
    public void What_ended_before_this_process_began_has_been_counted()
    {
        var old = Ended(Migration("m1", null), Outcomes.Restored, ConditionTypes.Ready, "True", Reasons.Succeeded);
        _time.Advance(TimeSpan.FromMinutes(1));

        new EndedObjects(_leadership, _time).Observe(old);

        _exporter.Of("podmigration_operations_total{result=\"success\"}").Should().Be(0);
    }

    [Test]
    public void Each_change_of_a_checkpoint_s_readiness_counts_once()
    {
        var checkpoint = new PodCheckpoint
        {
            Metadata = new V1ObjectMeta { Uid = "c1", CreationTimestamp = _time.GetUtcNow().UtcDateTime },
        };
        _ended.Observe(checkpoint);
        var going = checkpoint with
        {
            Status = new PodCheckpointStatus { Conditions = Ready("False", Reasons.CheckpointInProgress) },
        };
        _ended.Observe(going);
        _ended.Observe(going);
        _time.Advance(TimeSpan.FromSeconds(2));
        var ready = checkpoint with
        {
            Status = new PodCheckpointStatus { Ready = true, Size = 77, Conditions = Ready(
                "True", Reasons.CheckpointCompleted) },
        };
        _ended.Observe(ready);
        _ended.Observe(ready);

        _exporter.Of("podcheckpoint_ready_condition_total{status=\"False\",reason=\"CheckpointInProgress\"}")
            .Should().Be(1);
        _exporter.Of("podcheckpoint_ready_condition_total{status=\"True\",reason=\"CheckpointCompleted\"}")
            .Should().Be(1);
        _exporter.Of("podcheckpoint_operations_total{result=\"success\"}").Should().Be(1);
        _exporter.Of("podcheckpoint_size_bytes_sum").Should().Be(77);
        _exporter.Of("podcheckpoint_duration_seconds_sum").Should().Be(2);
    }

    [Test]
    public void A_failed_checkpoint_is_a_failure()
    {
        _ended.Observe(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta { Uid = "c1" },
            Status = new PodCheckpointStatus
            {
                Ready = false,
                Error = new CheckpointError { Reason = Reasons.CheckpointFailed },
                Conditions = Ready("False", Reasons.CheckpointFailed),
            },
        });

        _exporter.Of("podcheckpoint_operations_total{result=\"failure\"}").Should().Be(1);
        _exporter.Of("podcheckpoint_size_bytes_count").Should().Be(0);
    }

    [Test]
    public void Contents_are_told_by_what_their_readiness_says()
    {
        IList<V1Condition>?[] contents =
        [
            Ready("True", Reasons.CheckpointCompleted),
            Ready("False", Reasons.ArtifactMissing),
            Ready("False", Reasons.ArtifactMissing),
            Ready("False", "SomebodysWord"),
            null,
        ];
        using var asked = OperatorMetrics.CheckpointContents.From(
            () => Metering.ByReadiness(OperatorMetrics.CheckpointContents, contents));

        _exporter.Of("podcheckpointcontent_objects{ready=\"True\",reason=\"CheckpointCompleted\"}").Should().Be(1);
        _exporter.Of("podcheckpointcontent_objects{ready=\"False\",reason=\"ArtifactMissing\"}").Should().Be(2);
        _exporter.Of("podcheckpointcontent_objects{ready=\"False\",reason=\"Other\"}").Should().Be(1);
    }

    private List<V1Condition> Ready(string status, string reason) =>
        [new V1Condition
        {
            Type = ConditionTypes.Ready,
            Status = status,
            Reason = reason,
            LastTransitionTime = _time.GetUtcNow().UtcDateTime,
        }];

    private PodMigration Migration(string uid, PodMigrationStatus? status) => new()
    {
        Metadata = new V1ObjectMeta { Uid = uid, CreationTimestamp = _time.GetUtcNow().UtcDateTime },
        Status = status,
    };

    private PodMigration Ended(PodMigration migration, string? outcome, string type, string status, string reason)
    {
        var now = _time.GetUtcNow().UtcDateTime;
        return migration with
        {
            Status = new PodMigrationStatus
            {
                Outcome = outcome,
                StartTime = now.AddSeconds(-4),
                CompletionTime = now,
                DowntimeMilliseconds = 420,
                CheckpointBytes = 1234,
                Conditions =
                [
                    new V1Condition { Type = type, Status = status, Reason = reason, LastTransitionTime = now },
                    new V1Condition { Type = ConditionTypes.Validated, Status = "True", Reason = Reasons.Succeeded },
                ],
                Steps =
                [
                    new MigrationStep
                    {
                        Name = "Checkpoint",
                        StartedAt = now.AddSeconds(-2),
                        FinishedAt = now.AddSeconds(-0.5),
                    },
                    new MigrationStep { Name = "Restore", StartedAt = now },
                ],
            },
        };
    }

    private sealed class FakeLeadership : ILeadership
    {
        public Task Acquired { get; private set; } = Task.CompletedTask;

        public CancellationToken Lost => CancellationToken.None;

        public void Lead() => Acquired = Task.CompletedTask;

        public void Lose() => Acquired = new TaskCompletionSource().Task;
    }
}
