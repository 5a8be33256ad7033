using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Which pod is a migration's target: it may lose its label, and others may have it.</summary>
public sealed class TargetIdentityTests : MigrationTests
{
    [Test]
    public async Task A_target_without_its_label_is_still_the_target()
    {
        _world.HasCome([.. Dumped, ConditionTypes.RolledBack], Steps.Restore);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
        });
        _world.PutTarget();
        _world.Change("p-m", m => m with { Labels = null });

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
            Status = _world.Status with { Conditions = _world.Status.Conditions.With(
                ConditionTypes.RolledBack, "False", Reasons.TimedOut, "", 1, DateTime.UnixEpoch) },
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
}
