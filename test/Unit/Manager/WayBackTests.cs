using System.Net;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What may happen when a restore has been verified, or is refused, and what is left of the pod then.</summary>
public sealed class WayBackTests
{
    private static readonly string[] Dumped =
        [ConditionTypes.Validated, ConditionTypes.TargetPrepared, ConditionTypes.SourceFenced, ConditionTypes.Checkpointed];

    private static readonly string[] Verified = [.. Dumped, ConditionTypes.Restored, ConditionTypes.RestoreVerified];

    private MigrationWorld _world = null!;

    [SetUp]
    public void Begin() => _world = new MigrationWorld();

    [TearDown]
    public void End() => _world.Dispose();

    [TestCase(true, Reasons.NodeLost, "node b was lost with the restored pod p-m")]
    [TestCase(false, Reasons.RestoreFailed, "the restored pod p-m was deleted before the migration had ended")]
    public async Task A_verified_target_that_ends_while_the_source_stands_leads_back_to_it(bool node, string reason, string message)
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        PutTarget();
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
        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c => c.Status == "False" && c.Reason == reason && c.Message == message);

        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.Deleted.Should().NotContain("p");
    }

    [Test]
    public async Task A_target_that_is_gone_when_the_source_is_too_is_not_said_to_go_on()
    {
        _world.HasCome([.. Verified, ConditionTypes.SourceRemoved], Steps.Restore, Steps.Commit);
        _world.Take<V1Pod>("n", "p");
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAsync();

        _world.Status.Should().Match<PodMigrationStatus>(s => s.Outcome == Outcomes.Lost && s.Phase == MigrationPhases.Failed && s.PodAccessible == false);
        _world.Status.Message.Should().EndWith($"holds the pod as it was when it was dumped: kubectl podmigration restore {Checkpoint} -n n");
    }

    [Test]
    public async Task The_source_is_offered_to_its_ReplicaSet_no_more_when_it_goes_on()
    {
        _world.HasCome([.. Verified, ConditionTypes.RolledBack], Steps.Restore, Steps.Commit);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(ConditionTypes.RolledBack, "False", Reasons.NodeLost, "", 1, DateTime.UnixEpoch) },
        });
        Change("p", m => m with
        {
            OwnerReferences = [new V1OwnerReference { Kind = "ReplicaSet", Name = "r", Uid = "r-uid", Controller = true }],
            Annotations = new Dictionary<string, string> { [WellKnown.DeletionCost] = Handover.LowestCost },
        });
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAsync();

        _world.MetadataPatches.Should().Equal(("p", "{\"annotations\":{\"" + WellKnown.DeletionCost + "\":null}}"));
    }

    [Test]
    public async Task What_the_server_refuses_to_create_ends_the_migration_with_its_words()
    {
        _world.HasCome([ConditionTypes.Validated]);
        var uid = Guid.NewGuid().ToString();
        Change("p", m => m with { Uid = uid });
        _world.Put(_world.Migration with
        {
            Metadata = _world.Migration.Metadata with { Uid = uid }, Status = _world.Status with { PodUID = uid, RestoredPodUID = null },
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
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(ConditionTypes.RolledBack, "False", Reasons.MigrationInProgress, "", 1, DateTime.UnixEpoch) },
        });
        if (gone)
        {
            _world.Take<V1Pod>("n", "p");
        }

        _world.Answer(new CancelRestoreResponse());
        _world.Refuse<UnfenceResponse>(new AgentException(Reasons.MigrationInProgress, "fenced for another", isTerminal: true));

        await _world.ReconcileAsync();

        _world.Status.CompletionTime.Should().NotBeNull();
        _world.Status.Outcome.Should().Be(gone ? null : Outcomes.RolledBack, "it is the other one's to say what became of the pod");
    }

    [TestCase(DeletionPolicies.Retain, Outcomes.Restored, """{"ownerReferences":null}""")]
    [TestCase(DeletionPolicies.Delete, Outcomes.Lost, """{"ownerReferences":null,"annotations":{"lpm.my.domain/pinned":"true"}}""")]
    [TestCase(DeletionPolicies.Delete, Outcomes.RolledBack, null)]
    public async Task A_checkpoint_that_is_kept_does_not_go_with_its_migration(string retention, string outcome, string? patch)
    {
        _world.HasCome(Verified);
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { CheckpointRetention = retention },
            Status = _world.Status with { Outcome = outcome, CompletionTime = DateTime.UnixEpoch },
        });
        PutCheckpoint();

        await _world.ReconcileAsync();

        _world.MetadataPatches.Should().Equal(
            patch is null ? [("m", "finalizers: ")] : [(Checkpoint, patch), ("m", "finalizers: ")], "the finalizer goes last");
        _world.Deleted.Should().Equal(patch is null ? [Checkpoint] : []);
    }

    [Test]
    public async Task A_container_that_is_missing_from_the_checkpoint_is_not_restored_without()
    {
        _world.HasCome(Dumped);
        PutTarget();
        PutCheckpoint();

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.ArtifactMissing && c.Message!.StartsWith("container c is not in PodCheckpoint"));
    }

    [Test]
    public async Task A_source_that_somebody_holds_by_a_finalizer_is_told_of()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        PutTarget();
        Change("p", m => m with
        {
            DeletionTimestamp = _world.Time.GetUtcNow().UtcDateTime, DeletionGracePeriodSeconds = 1, Finalizers = ["kueue.x-k8s.io/managed"],
        });

        _world.Time.Advance(TimeSpan.FromMinutes(1));
        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.SourceHeld && c.Message!.EndsWith("held by finalizers: kueue.x-k8s.io/managed"));
    }

    [Test]
    public async Task A_target_without_its_label_is_still_the_target()
    {
        _world.HasCome([.. Dumped, ConditionTypes.RolledBack], Steps.Restore);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
        });
        PutTarget();
        Change("p-m", m => m with { Labels = null });

        await _world.ReconcileAsync();

        _world.Deleted.Should().Equal("p-m");
    }

    private string Checkpoint => MigrationScope.CheckpointNameFor(_world.Migration);

    internal static KubernetesException Refused(string message) => new(HttpStatusCode.Forbidden, new V1Status { Message = message, Reason = "Forbidden" });

    private void Change(string pod, Func<V1ObjectMeta, V1ObjectMeta> change)
    {
        var item = _world.Find<V1Pod>(new("n", pod))!;
        _world.Put(item with { Metadata = change(item.Metadata) });
    }

    private void PutTarget() => _world.Put(new V1Pod
    {
        Metadata = new V1ObjectMeta
        {
            Name = "p-m", NamespaceProperty = "n", Uid = "target-uid", Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "migration-uid" },
        },
        Spec = new V1PodSpec { NodeName = "b", Containers = [new V1Container { Name = "c" }] },
    });

    private void PutCheckpoint() => _world.Put(new PodCheckpoint
    {
        Metadata = new V1ObjectMeta
        {
            Name = Checkpoint, NamespaceProperty = "n", Uid = "checkpoint-uid", OwnerReferences = [Owners.ControllerReference(_world.Migration)],
        },
    });
}
