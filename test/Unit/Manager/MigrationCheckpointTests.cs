using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What a migration makes of its PodCheckpoint: what is missing from it, and when it stays.</summary>
public sealed class MigrationCheckpointTests : MigrationTests
{
    [TestCase(DeletionPolicies.Retain, Outcomes.Restored, true, """{"ownerReferences":null}""")]
    [TestCase(DeletionPolicies.Retain, Outcomes.RolledBack, true, """{"ownerReferences":null}""")]
    [TestCase(DeletionPolicies.Retain, Outcomes.RolledBack, false, null)]
    [TestCase(
        DeletionPolicies.Delete, Outcomes.Lost, true,
        """{"ownerReferences":null,"annotations":{"lpm.my.domain/pinned":"true"}}""")]
    [TestCase(
        DeletionPolicies.Delete, Outcomes.Lost, false,
        """{"ownerReferences":null,"annotations":{"lpm.my.domain/pinned":"true"}}""")]
    [TestCase(DeletionPolicies.Delete, Outcomes.RolledBack, true, null)]
    public async Task A_checkpoint_that_is_kept_does_not_go_with_its_migration(
        string retention, string outcome, bool whole, string? patch)
    {
        _world.HasCome(Verified);
        _world.Put(_world.Migration with
        {
            Spec = _world.Migration.Spec with { CheckpointRetention = retention },
            Status = _world.Status with { Outcome = outcome, CompletionTime = DateTime.UnixEpoch },
        });
        _world.PutCheckpoint(whole);

        await _world.ReconcileAsync();

        _world.MetadataPatches.Should().Equal(
            patch is null ? [("m", "finalizers: ")] : [(_world.Checkpoint, patch), ("m", "finalizers: ")],
            "the finalizer goes last");
        _world.Deleted.Should().Equal(patch is null ? [_world.Checkpoint] : []);
    }

    [Test]
    public async Task A_container_that_is_missing_from_the_checkpoint_is_not_restored_without()
    {
        _world.HasCome(Dumped);
        _world.PutTarget();
        _world.PutCheckpoint();

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c =>
            c.Reason == Reasons.ArtifactMissing && c.Message!.StartsWith("container c is not in PodCheckpoint"));
    }

    [Test]
    public async Task A_restore_that_has_begun_is_asked_about_by_the_pods_containers_when_the_checkpoint_has_lost_its_own()
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.PutTarget();
        _world.PutCheckpoint();
        _world.Answer(new ReleaseRestoreResponse());
        // So an agent answers who asks for none.
        _world.Answer(new GetRestoreResponse());

        await _world.ReconcileAsync();

        _world.AskedAbout.Should().Equal("c");
        _world.Condition(ConditionTypes.RestoreVerified).Should().BeNull("nobody has said that c runs");
    }
}
