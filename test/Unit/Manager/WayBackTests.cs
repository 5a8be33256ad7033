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
        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c => c.Status == "False" && c.Reason == reason && c.Message == message);

        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.Deleted.Should().NotContain("p");
    }

    [Test]
    public async Task A_container_that_cannot_be_created_lets_no_source_stand_still_for_long()
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutTarget();
        var target = _world.Find<V1Pod>(new ObjectKey("n", "p-m"))!;
        var waiting = new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = "ErrImagePull", Message = "no such host" } };
        _world.Put(target with { Status = new V1PodStatus { ContainerStatuses = [new V1ContainerStatus { Name = "d", State = waiting }] } });

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c => c.Reason == Reasons.ImageNotPulled && c.Message.Contains("no such host"));
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

    [TestCase(null)]
    [TestCase("100")]
    [TestCase(Handover.LowestCost)]
    public async Task The_source_has_its_own_deletion_cost_again_when_it_goes_on(string? own)
    {
        _world.HasCome([.. Verified, ConditionTypes.RolledBack], Steps.Restore, Steps.Commit);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(ConditionTypes.RolledBack, "False", Reasons.NodeLost, "", 1, DateTime.UnixEpoch) },
        });
        Change("p", m => m with
        {
            OwnerReferences = [new V1OwnerReference { Kind = "ReplicaSet", Name = "r", Uid = "r-uid", Controller = true }],
            Annotations = own is null ? null : new Dictionary<string, string> { [WellKnown.DeletionCost] = own },
        });
        var source = _world.Find<V1Pod>(new("n", "p"))!;
        Change("p", m => m with { Annotations = Patched(m.Annotations, Handover.Offered(source)) });
        Handover.IsOffered(_world.Find<V1Pod>(new("n", "p"))!).Should().BeTrue();
        _world.Put(MigrationWorld.Node("b", outOfService: true));
        _world.Answer(new UnfenceResponse());

        await _world.ReconcileAsync();

        var patch = _world.MetadataPatches.Should().ContainSingle().Subject;
        var after = Patched(_world.Find<V1Pod>(new("n", "p"))!.Metadata.Annotations, JsonNode.Parse(patch.Patch)!.AsObject());
        after.Should().BeEquivalentTo(own is null ? [] : new Dictionary<string, string> { [WellKnown.DeletionCost] = own });
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

    [TestCase(DeletionPolicies.Retain, Outcomes.Restored, true, """{"ownerReferences":null}""")]
    [TestCase(DeletionPolicies.Retain, Outcomes.RolledBack, true, """{"ownerReferences":null}""")]
    [TestCase(DeletionPolicies.Retain, Outcomes.RolledBack, false, null)]
    [TestCase(DeletionPolicies.Delete, Outcomes.Lost, true, """{"ownerReferences":null,"annotations":{"lpm.my.domain/pinned":"true"}}""")]
    [TestCase(DeletionPolicies.Delete, Outcomes.Lost, false, """{"ownerReferences":null,"annotations":{"lpm.my.domain/pinned":"true"}}""")]
    [TestCase(DeletionPolicies.Delete, Outcomes.RolledBack, true, null)]
    public async Task A_checkpoint_that_is_kept_does_not_go_with_its_migration(string retention, string outcome, bool whole, string? patch)
    {
        _world.HasCome(Verified);
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { CheckpointRetention = retention },
            Status = _world.Status with { Outcome = outcome, CompletionTime = DateTime.UnixEpoch },
        });
        PutCheckpoint(whole);

        await _world.ReconcileAsync();

        _world.MetadataPatches.Should().Equal(
            patch is null ? [("m", "finalizers: ")] : [(Checkpoint, patch), ("m", "finalizers: ")], "the finalizer goes last");
        _world.Deleted.Should().Equal(patch is null ? [Checkpoint] : []);
    }

    [Test]
    public async Task A_container_that_is_missing_from_the_checkpoint_is_not_restored_without()
    {
        _world.HasCome(Dumped);
        _world.PutTarget();
        PutCheckpoint();

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.ArtifactMissing && c.Message!.StartsWith("container c is not in PodCheckpoint"));
    }

    [Test]
    public async Task A_source_that_somebody_holds_by_a_finalizer_is_told_of()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        _world.PutTarget();
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
        _world.PutTarget();
        Change("p-m", m => m with { Labels = null });

        await _world.ReconcileAsync();

        // What of it never ran is killed first: its kubelet would run the pod's preStop hooks beside it.
        _world.Deleted.Should().BeEmpty();

        _world.Answer(new CancelRestoreResponse());
        await _world.ReconcileAsync();

        _world.Deleted.Should().Equal("p-m");
    }

    [Test]
    public async Task A_pod_that_somebody_has_made_of_a_targets_manifest_is_not_the_target()
    {
        _world.HasCome([.. Dumped, ConditionTypes.RolledBack], Steps.Restore);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
        });
        _world.PutTarget();
        var target = _world.Find<V1Pod>(new ObjectKey("n", "p-m"))!;
        _world.Take<V1Pod>("n", "p-m");
        _world.Put(target with { Metadata = target.Metadata with { Name = "clone", Uid = "clone-uid" } });
        _world.Answer(new CancelRestoreResponse());

        await _world.ReconcileAsync();

        _world.Deleted.Should().BeEmpty();
        _world.Status.RestoredPodUID.Should().Be("target-uid");
    }

    [Test]
    public async Task A_source_that_goes_on_already_is_not_removed_to_start_it_afresh()
    {
        _world.HasCome(Dumped, Steps.Hold);
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { OnFailure = OnFailurePolicies.ColdStart },
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
        });
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await AFewTimesAsync();
        _world.Status.CompletionTime.Should().BeNull("node b holds the address");

        _world.Put(MigrationWorld.Node("b"));
        _world.Answer(new HoldAddressesResponse());
        await AFewTimesAsync();

        _world.Deleted.Should().NotContain("p");
        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
    }

    [Test]
    public async Task A_migration_that_has_ended_does_not_wait_for_the_kubelet_of_a_node_whose_agent_has_answered()
    {
        _world.HasCome(Dumped, Steps.Hold);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
        });
        _world.Put(MigrationWorld.Node("b", ready: "Unknown"));
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        _world.Answer(new HoldAddressesResponse());

        await AFewTimesAsync();

        _world.Status.CompletionTime.Should().NotBeNull();
        _world.Condition(ConditionTypes.Stalled)?.Status.Should().NotBe("True", "nothing would ever say otherwise");
    }

    [Test]
    public async Task A_restore_that_has_begun_is_asked_about_by_the_pods_containers_when_the_checkpoint_has_lost_its_own()
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutTarget();
        PutCheckpoint();
        _world.Answer(new ReleaseRestoreResponse());
        // So an agent answers who asks for none.
        _world.Answer(new GetRestoreResponse());

        await _world.ReconcileAsync();

        _world.AskedAbout.Should().Equal("c");
        _world.Condition(ConditionTypes.RestoreVerified).Should().BeNull("nobody has said that c runs");
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
            PutCheckpoint();
        }

        await AFewTimesAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().NotBeNull();
        _world.Status.ObservedGeneration.Should().Be(7);
    }

    private async Task AFewTimesAsync()
    {
        for (var i = 0; i < 5; i++)
        {
            await _world.ReconcileAsync();
        }
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

    private string Checkpoint => MigrationScope.CheckpointNameFor(_world.Migration);

    internal static KubernetesException Refused(string message) => new(HttpStatusCode.Forbidden, new V1Status { Message = message, Reason = "Forbidden" });

    private void Change(string pod, Func<V1ObjectMeta, V1ObjectMeta> change)
    {
        var item = _world.Find<V1Pod>(new("n", pod))!;
        _world.Put(item with { Metadata = change(item.Metadata) });
    }

    private void PutCheckpoint(bool whole = false)
    {
        var checkpoint = new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = Checkpoint, NamespaceProperty = "n", Uid = "checkpoint-uid", OwnerReferences = [Owners.ControllerReference(_world.Migration)],
            },
            Status = new PodCheckpointStatus { Containers = ["c"] },
        };
        _world.Put(checkpoint);
        if (whole)
        {
            _world.Put(new ContainerCheckpoint
            {
                Metadata = new V1ObjectMeta
                {
                    Name = "part", NamespaceProperty = "n", Uid = "part-uid", OwnerReferences = [Owners.ControllerReference(checkpoint)],
                },
            });
            _world.Put(new ContainerCheckpointContent
            {
                Metadata = new V1ObjectMeta { Name = "ccpc-part-uid" },
                Spec = new ContainerCheckpointContentSpec { ContainerCheckpointRef = new ClaimReference { NamespaceProperty = "n", Name = "part", Uid = "part-uid" } },
                Status = new ContainerCheckpointContentStatus { Ready = true },
            });
        }
    }
}
