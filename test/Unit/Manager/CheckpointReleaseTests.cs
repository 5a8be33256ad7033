using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Checkpoints that somebody deletes while they are needed.</summary>
public sealed class CheckpointReleaseTests
{
    private MigrationWorld _world = null!;
    private WorkQueue _queue = null!;
    private PendingCalls _calls = null!;

    [SetUp]
    public void Begin()
    {
        _world = new MigrationWorld();
        _queue = new WorkQueue(_world.Time);
        _calls = new PendingCalls(TaskScheduler.Default, CancellationToken.None);
        var whole = new PodCheckpoint { Metadata = Meta("whole", Owners.ControllerReference(_world.Migration), deleted: true) };
        _world.Put(whole);
        _world.Put(new ContainerCheckpoint { Metadata = Meta("part", Owners.ControllerReference(whole), deleted: true) });
    }

    [TearDown]
    public void End()
    {
        _queue.Dispose();
        _world.Dispose();
    }

    [Test]
    public async Task A_checkpoint_waits_for_the_end_of_the_migration_that_needs_it()
    {
        await ReconcileWholeAsync();
        _world.MetadataPatches.Should().BeEmpty();
        _world.Events.Should().ContainSingle().Which.Message.Should().Be("PodMigration m moves a pod by it; it goes when that has ended");

        _world.Put(_world.Migration with { Status = new PodMigrationStatus { CompletionTime = DateTime.UnixEpoch } });
        _world.Take<ContainerCheckpoint>("n", "part");
        await ReconcileWholeAsync();
        _world.MetadataPatches.Should().Equal(("whole", "finalizers: "));
    }

    [Test]
    public async Task A_checkpoint_that_has_failed_is_needed_by_nobody()
    {
        var whole = _world.Find<PodCheckpoint>(new("n", "whole"))!;
        _world.Put(whole with { Status = new PodCheckpointStatus { Error = new CheckpointError { Reason = "x" } } });
        _world.Take<ContainerCheckpoint>("n", "part");

        await ReconcileWholeAsync();

        _world.MetadataPatches.Should().Equal(("whole", "finalizers: "));
    }

    [Test]
    public async Task A_part_waits_as_long_as_the_whole_is_to_stay()
    {
        var whole = _world.Find<PodCheckpoint>(new("n", "whole"))!;
        _world.Put(whole with { Metadata = Meta("whole", Owners.ControllerReference(_world.Migration), deleted: false) });
        await ReconcilePartAsync();
        _world.MetadataPatches.Should().BeEmpty();
        _world.Events.Should().ContainSingle().Which.Reason.Should().Be(Reasons.InUse);

        _world.Put(whole);
        await ReconcilePartAsync();
        _world.MetadataPatches.Should().Equal(("part", "finalizers: "));
    }

    private static V1ObjectMeta Meta(string name, V1OwnerReference owner, bool deleted) => new()
    {
        Name = name, NamespaceProperty = "n", Uid = $"{name}-uid", OwnerReferences = [owner], Finalizers = [WellKnown.CheckpointFinalizer],
        DeletionTimestamp = deleted ? DateTime.UnixEpoch : null,
    };

    private Task ReconcileWholeAsync() =>
        new PodCheckpointReconciler(_world, _world, new LostNodes(_world, _world.Time), _calls, _world, _queue, _world.Time).ReconcileAsync(new("n", "whole"), CancellationToken.None);

    private Task ReconcilePartAsync() =>
        new ContainerCheckpointReconciler(_world, _world, new LostNodes(_world, _world.Time), _calls, _world, _queue, _world.Time)
            .ReconcileAsync(new("n", "part"), CancellationToken.None);
}
