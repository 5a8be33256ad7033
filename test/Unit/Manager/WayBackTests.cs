using System.Net;
using System.Text.Json.Nodes;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What may happen when a restore has been verified, or is refused, and
/// what is left of the pod then.</summary>
public sealed class WayBackTests : MigrationTests
{
    [TestCase(true, Reasons.NodeLost, "node b was lost with the restored pod p-m")]
    [TestCase(false, Reasons.RestoreFailed, "the restored pod p-m was deleted before the migration had ended")]
    public async Task A_verified_target_that_ends_while_the_source_stands_leads_back_to_it(
        bool node, string reason, string message)
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.PutTarget();
        if (node)
        {
            _world.Put(MigrationWorld.Node("b", outOfService: true));
        }
        else
        {
            _world.Take<V1Pod>("n", "p-m");
        }

        await _world.ReconcileAsync();

        _world.Deleted.Should().NotContain("p");
        _world.Condition(ConditionTypes.RestoreVerified)!.Status.Should().Be("False");
        _world.Condition(ConditionTypes.RolledBack)
            .Should().Match<V1Condition>(c => c.Status == "False" && c.Reason == reason && c.Message == message);

        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.Deleted.Should().NotContain("p");
    }

    /// <summary>By a liveness probe, or with its node, while it stood still: the
    /// fence let nothing start again.</summary>
    [TestCase(RestorePhases.Failed)]
    [TestCase(RestorePhases.Running)]
    public async Task A_target_that_begins_again_while_the_source_stands_is_asked_for_whether_its_node_has_rebooted(
        string phase)
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.PutTarget();
        var target = _world.Find<V1Pod>(new("n", "p-m"))!;
        var again = new V1ContainerStatus
        {
            Name = "c", RestartCount = 1, State = new() { Running = new() },
            LastState = new()
            {
                Terminated = new() { ExitCode = 255, FinishedAt = _world.Time.GetUtcNow().UtcDateTime.AddMinutes(2) },
            },
        };
        _world.Put(
            target with { Status = (target.Status ?? new()) with { Phase = "Running", ContainerStatuses = [again] } });
        var restore = new GetRestoreResponse();
        restore.Containers.Add(
            new ContainerRestore { ContainerName = "c", Phase = phase, Message = "the node has booted since" });
        _world.Answer(restore);

        await _world.ReconcileAFewTimesAsync();

        (_world.Condition(ConditionTypes.RolledBack) is not null).Should().Be(phase == RestorePhases.Failed);
        _world.Condition(ConditionTypes.RestoreVerified)!.Status
            .Should().Be(phase == RestorePhases.Failed ? "False" : "True");
    }

    [Test]
    public async Task A_target_pod_that_has_ended_for_good_is_not_waited_for()
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutCheckpoint(whole: true);
        _world.PutTarget();
        var target = _world.Find<V1Pod>(new("n", "p-m"))!;
        _world.Put(target with { Status = (target.Status ?? new()) with { Phase = "Failed" } });
        _world.Answer(new PrepareRestoreResponse());
        _world.Answer(new ReleaseRestoreResponse());
        var restore = new GetRestoreResponse();
        restore.Containers.Add(new ContainerRestore { ContainerName = "c", Phase = RestorePhases.Staged });
        _world.Answer(restore);

        await _world.ReconcileAFewTimesAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.RestoreFailed && c.Message == "the target pod p-m ended before it was restored");
    }

    [Test]
    public async Task A_dump_that_was_asked_for_is_known_when_its_checkpoint_is_gone()
    {
        _world.HasCome(Fenced);
        _world.PutCheckpoint(whole: false);
        _world.Take<V1Pod>("n", "p");
        _world.Abort();
        await _world.ReconcileAFewTimesAsync();

        _world.Take<PodCheckpoint>("n", _world.Checkpoint);
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.Lost, "the source had been stopped when it went");
    }

    [Test]
    public async Task A_source_that_is_gone_does_not_start_again()
    {
        _world.HasCome(Dumped);
        _world.PutCheckpoint(whole: true);
        _world.Take<V1Pod>("n", "p");
        _world.Abort();
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse { Lifted = true });

        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.Lost);
        _world.Status.Message.Should().Contain("the source is gone too").And.NotContain("starts again");
    }

    [TestCase(true, false, Outcomes.RolledBack)]
    [TestCase(true, true, Outcomes.Lost)]
    [TestCase(false, false, Outcomes.RolledBack)]
    [TestCase(false, true, Outcomes.Lost)]
    public async Task A_source_whose_processes_ended_while_they_stood_has_not_been_rolled_back(
        bool answered, bool ended, string outcome)
    {
        _world.HasCome(Dumped);
        _world.PutCheckpoint(whole: true);
        var started = ended ? _world.Time.GetUtcNow().AddMinutes(1) : _world.Time.GetUtcNow();
        var source = _world.Find<V1Pod>(new("n", "p"))!;
        _world.Put(source with
        {
            Status = source.Status! with
            {
                ContainerStatuses = [new V1ContainerStatus
                {
                    Name = "c",
                    State = new() { Running = new() { StartedAt = answered ? null : started.UtcDateTime } },
                }],
            },
        });
        _world.Abort();
        _world.Answer(new CancelRestoreResponse());
        var lifted = new UnfenceResponse { Lifted = answered };
        lifted.ContainerNames.AddRange(ended || !answered ? [] : ["c"]);
        _world.Answer(lifted);

        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(outcome);
        _world.Events.Count(e => e.Reason == Outcomes.RolledBack && e.Message.Contains("goes on here")).Should()
            .Be(ended ? 0 : 1, "an event of the pod says what the migration's outcome says");
        if (ended)
        {
            _world.Status.Message.Should().Contain("container c of the source ended while it stood still").And.Contain(
                $"PodCheckpoint {_world.Checkpoint} holds");
            _world.Deleted.Should().NotContain(_world.Checkpoint);
            _world.MetadataPatches
                .Should().Contain(p => p.Name == _world.Checkpoint && p.Patch.Contains(WellKnown.Pinned));
        }
    }

    [Test]
    public async Task A_node_is_not_given_up_by_a_view_that_is_older_than_the_servers()
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutTarget();
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.OnServer[new ObjectKey(null, "b")] = MigrationWorld.Node("b");
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAFewTimesAsync();

        _world.Asked.Should().BeEmpty("a target that was let go may run there");

        _world.OnServer.Clear();
        await _world.ReconcileAFewTimesAsync();

        _world.Asked.Should().NotBeEmpty();
    }

    [Test]
    public async Task A_target_that_runs_is_not_taken_for_lost_by_such_a_view()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.PutTarget();
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.OnServer[new ObjectKey(null, "b")] = MigrationWorld.Node("b");

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RestoreVerified)!.Status.Should().Be("True");
        _world.Condition(ConditionTypes.RolledBack).Should().BeNull();
    }

    [TestCase("guard.example/held", "guard.example/held")]
    [TestCase(null, "kubelet at node b")]
    public async Task What_the_source_waits_for_is_said_where_its_target_does_not_end(string? finalizer, string named)
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutTarget();
        _world.Change("p-m", m => m with
        {
            DeletionTimestamp = _world.Time.GetUtcNow().UtcDateTime,
            Finalizers = finalizer is null ? null : [finalizer],
        });
        _world.Abort();
        _world.Answer(new CancelRestoreResponse { HasRun = true });

        await _world.ReconcileAFewTimesAsync();
        _world.Condition(ConditionTypes.Stalled).Should().BeNull();

        _world.Time.Advance(TimeSpan.FromSeconds(31));
        await _world.ReconcileAFewTimesAsync();

        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Status == "True"
            && c.Reason == Reasons.TargetHeld
            && c.Message.Contains("p-m")
            && c.Message.Contains(named));
        _world.Asked.Should().BeEmpty();
    }

    /// <summary>No event tells that kubelet ends a pod not.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public async Task One_that_was_left_is_looked_at_until_it_has_gone_back(bool aborted)
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutTarget();
        _world.Change("p-m", m => m with { DeletionTimestamp = _world.Time.GetUtcNow().UtcDateTime });
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { OnFailure = OnFailurePolicies.Leave },
            Status = _world.Status with
            {
                Conditions = _world.Status.Conditions.With(
                    ConditionTypes.RolledBack, "False", Reasons.RestoreFailed, "no", 1, DateTime.UnixEpoch),
            },
        });
        _world.Answer(new CancelRestoreResponse { HasRun = true });
        (await _world.ReconcileAsync()).RequeueAfter.Should().BeNull("it stands until somebody wants otherwise");
        _world.Status.Outcome.Should().Be(Outcomes.Left);

        var migration = _world.Migration;
        _world.Put(migration with
        {
            Spec = migration.Spec with { Abort = aborted },
            Metadata = migration.Metadata with
            {
                DeletionTimestamp = aborted ? null : _world.Time.GetUtcNow().UtcDateTime,
            },
        });

        (await _world.ReconcileAsync()).RequeueAfter.Should().Be(PodMigrationReconciler.Resync);
    }

    [Test]
    public async Task A_source_goes_on_though_our_finalizer_was_taken_off_a_migration_that_others_hold()
    {
        _world.HasCome(Fenced);
        _world.Put(_world.Migration with
        {
            Metadata = _world.Migration.Metadata with
            {
                DeletionTimestamp = _world.Time.GetUtcNow().UtcDateTime, Finalizers = ["foregroundDeletion"],
            },
        });
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.Asked.Should().Contain(typeof(UnfenceRequest));
        _world.Migration.Metadata.Finalizers.Should().Equal("foregroundDeletion");
    }

    [TestCase(139, 3, true)]
    [TestCase(139, -3, false)]
    [TestCase(139, 12, false)]
    [TestCase(0, 3, false)]
    public async Task A_target_that_fails_soon_after_it_was_verified_leads_back_to_a_source_that_stands(
        int exitCode, int seconds, bool back)
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        var end = new V1ContainerStateTerminated { ExitCode = exitCode, FinishedAt = _world.Time.GetUtcNow().UtcDateTime
            .AddSeconds(seconds) };
        _world.PutTarget(new V1PodStatus
        {
            ContainerStatuses = [new V1ContainerStatus { Name = "c", RestartCount = 1, State = new()
            {
                Running = new(),
            }, LastState = new() { Terminated = end } }],
        });

        await _world.ReconcileAsync();

        (_world.Condition(ConditionTypes.RolledBack) is not null).Should().Be(back);
    }

    [Test]
    public async Task A_container_that_cannot_be_created_lets_no_source_stand_still_for_long()
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutTarget();
        var target = _world.Find<V1Pod>(new ObjectKey("n", "p-m"))!;
        var waiting =
            new V1ContainerState
            {
                Waiting = new V1ContainerStateWaiting { Reason = "ErrImagePull", Message = "no such host" },
            };
        _world.Put(target with
        {
            Status = new V1PodStatus { ContainerStatuses = [new V1ContainerStatus { Name = "d", State = waiting }] },
        });

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack)
            .Should().Match<V1Condition>(c => c.Reason == Reasons.ImageNotPulled && c.Message.Contains("no such host"));
    }

    [Test]
    public async Task A_target_that_is_gone_when_the_source_is_too_is_not_said_to_go_on()
    {
        _world.HasCome([.. Verified, ConditionTypes.SourceRemoved], Steps.Restore, Steps.Commit);
        _world.Take<V1Pod>("n", "p");
        _world.Answer(new EndProcessesResponse());
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAsync();

        _world.Status.Should().Match<PodMigrationStatus>(
            s => s.Outcome == Outcomes.Lost && s.Phase == MigrationPhases.Failed && s.PodAccessible == false);
        _world.Status.Message.Should().EndWith(
            $"holds the pod as it was when it was dumped: kubectl podmigration restore {_world.Checkpoint} -n n -f "
            + "FILE, where FILE is the pod's manifest, which no checkpoint holds");
    }

    [TestCase(null)]
    [TestCase("100")]
    [TestCase(Handover.LowestCost)]
    public async Task The_source_has_its_own_deletion_cost_again_when_it_goes_on(string? own)
    {
        _world.HasCome([.. Verified, ConditionTypes.RolledBack], Steps.Restore, Steps.Commit);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.NodeLost, "", 1, DateTime.UnixEpoch) },
        });
        _world.Change("p", m => m with
        {
            OwnerReferences =
            [
                new V1OwnerReference { Kind = "ReplicaSet", Name = "r", Uid = "r-uid", Controller = true },
            ],
            Annotations = own is null ? null : new Dictionary<string, string> { [WellKnown.DeletionCost] = own },
        });
        var source = _world.Find<V1Pod>(new("n", "p"))!;
        _world.Change("p", m => m with { Annotations = Patched(m.Annotations, Handover.Offered(source)) });
        Handover.IsOffered(_world.Find<V1Pod>(new("n", "p"))!).Should().BeTrue();
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAsync();

        _world.Find<V1Pod>(new("n", "p"))!.Metadata.Annotations.Should().BeEquivalentTo(
            own is null ? [] : new Dictionary<string, string> { [WellKnown.DeletionCost] = own });
    }

    [Test]
    public async Task What_the_server_refuses_to_create_ends_the_migration_with_its_words()
    {
        _world.HasCome([ConditionTypes.Validated]);
        var uid = Guid.NewGuid().ToString();
        _world.Change("p", m => m with { Uid = uid });
        _world.Put(_world.Migration with
        {
            Metadata = _world.Migration.Metadata with { Uid = uid },
            Status = _world.Status with { PodUID = uid, RestoredPodUID = null },
        });
        _world.Refusal = Refused("pods \"p-m\" is forbidden: exceeded quota: two");

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.RequestRefused && c.Message == "pods \"p-m\" is forbidden: exceeded quota: two");
    }

    [Test]
    public async Task A_fence_of_somebody_else_does_not_hold_up_the_way_back([Values] bool gone)
    {
        _world.HasCome([ConditionTypes.Validated]);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.MigrationInProgress, "", 1, DateTime.UnixEpoch) },
        });
        if (gone)
        {
            _world.Take<V1Pod>("n", "p");
        }

        _world.Answer(new CancelRestoreResponse());
        _world.Refuse<UnfenceResponse>(
            new AgentException(Reasons.MigrationInProgress, "fenced for another", isTerminal: true));

        await _world.ReconcileAsync();

        _world.Status.CompletionTime.Should().NotBeNull();
        _world.Status.Outcome
            .Should().Be(gone ? null : Outcomes.RolledBack, "it is the other one's to say what became of the pod");
    }

    [TestCase(true, false, Outcomes.SourceGone, "; the source is gone, and nothing of it had been stopped")]
    [TestCase(
        false, false, Outcomes.SourceGone, "; the source is gone with node a, and nothing of it had been stopped")]
    [TestCase(true, true, Outcomes.Lost, "; the source is gone too")]
    [TestCase(false, true, Outcomes.Lost, "; the source is gone with node a")]
    public async Task A_source_that_goes_before_anything_of_it_is_stopped_is_not_lost_by_the_migration(
        bool deleted, bool dumping, string outcome, string ending)
    {
        _world.HasCome(
            [ConditionTypes.Validated, ConditionTypes.TargetPrepared, ConditionTypes.SourceFenced],
            dumping ? [Steps.Checkpoint] : []);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.SourcePodReplaced, "a rollout", 1, DateTime.UnixEpoch) },
        });
        if (deleted)
        {
            _world.Take<V1Pod>("n", "p");
        }
        else
        {
            _world.Put(MigrationWorld.Node("a", outOfService: true));
        }

        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAFewTimesAsync();

        _world.Status.Should().Match<PodMigrationStatus>(
            s => s.Outcome == outcome && s.PodAccessible == false && s.CompletionTime != null);
        _world.Status.Message.Should().Be($"a rollout{ending}");
    }

    [Test]
    public async Task A_source_whose_checkpoint_was_asked_for_by_an_operator_that_died_before_it_said_so_is_lost()
    {
        _world.HasCome([ConditionTypes.Validated, ConditionTypes.TargetPrepared]);
        _world.Put(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = _world.Checkpoint, NamespaceProperty = "n",
                Uid = "checkpoint-uid", OwnerReferences = [Owners.ControllerReference(_world.Migration)],
            },
        });
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.Aborted, "stop", 1, DateTime.UnixEpoch) },
        });
        _world.Take<V1Pod>("n", "p");
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAFewTimesAsync();

        _world.Status.Outcome.Should().Be(Outcomes.Lost);
    }

    [Test]
    public async Task A_source_that_somebody_holds_by_a_finalizer_is_told_of()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.PutTarget();
        _world.Change("p", m => m with
        {
            DeletionTimestamp = _world.Time.GetUtcNow().UtcDateTime,
            DeletionGracePeriodSeconds = 1, Finalizers = ["kueue.x-k8s.io/managed"],
        });

        _world.Time.Advance(TimeSpan.FromMinutes(1));
        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.SourceHeld && c.Message!.EndsWith("held by finalizers: kueue.x-k8s.io/managed"));
    }

    [Test]
    public async Task A_source_that_goes_on_already_is_not_removed_to_start_it_afresh()
    {
        _world.HasCome(Dumped, Steps.Hold);
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { OnFailure = OnFailurePolicies.ColdStart },
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
        });
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAFewTimesAsync();
        _world.Status.CompletionTime.Should().BeNull("node b holds the address");

        _world.Put(MigrationWorld.Node("b"));
        _world.Answer(new HoldAddressesResponse());
        await _world.ReconcileAFewTimesAsync();

        _world.Deleted.Should().NotContain("p");
        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
    }

    [Test]
    public async Task A_migration_that_has_ended_does_not_wait_for_the_kubelet_of_a_node_whose_agent_has_answered()
    {
        _world.HasCome(Dumped, Steps.Hold);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
        });
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        _world.Answer(new HoldAddressesResponse());

        await _world.ReconcileAFewTimesAsync();

        _world.Status.CompletionTime.Should().NotBeNull();
        _world.Condition(ConditionTypes.Stalled)?.Status.Should().NotBe("True", "nothing would ever say otherwise");
    }

    [TestCase(true, true)]
    [TestCase(false, true)]
    [TestCase(true, false)]
    public async Task The_status_says_which_generation_it_has_come_of(bool aborted, bool validated)
    {
        if (validated)
        {
            _world.HasCome(Dumped);
        }
        else
        {
            _world.Take<V1Pod>("n", "p");
        }

        _world.Put(_world.Migration with { Metadata = _world.Migration.Metadata with { Generation = 7 } });
        if (aborted)
        {
            _world.Abort();
        }
        else
        {
            _world.PutTarget();
            _world.PutCheckpoint();
        }

        await _world.ReconcileAFewTimesAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().NotBeNull();
        _world.Status.ObservedGeneration.Should().Be(7);
    }

    /// <summary>As the API server merges them.</summary>
    private static Dictionary<string, string> Patched(IDictionary<string, string>? annotations, JsonObject metadata)
    {
        var result = (annotations ?? new Dictionary<string, string>()).ToDictionary();
        foreach (var (name, value) in metadata["annotations"]!.AsObject())
        {
            result.Remove(name);
            if (value is not null)
            {
                result[name] = value.ToString();
            }
        }

        return result;
    }

    internal static KubernetesException Refused(string message, string? cause = null) => new(
        HttpStatusCode.Forbidden,
        new V1Status { Message = message, Reason = "Forbidden", Details = new V1StatusDetails { Causes = cause is null
            ? null
            : [new V1StatusCause { Reason = cause }] } });
}
