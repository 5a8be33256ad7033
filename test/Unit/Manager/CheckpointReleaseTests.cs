using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Checkpoints that somebody deletes while they are needed.</summary>
public sealed class CheckpointReleaseTests : MigrationTests
{
    private const string PodUid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private const string Id = "20261121t003412z-7f3a9c";
    private WorkQueue _queue = null!;
    private PendingCalls _calls = null!;

    [SetUp]
    public void Begin()
    {
        _queue = new WorkQueue(_world.Time);
        _calls = new PendingCalls(TaskScheduler.Default, new SoleLeader(), CancellationToken.None);
        var whole = new PodCheckpoint
        {
            Metadata = Meta("whole", Owners.ControllerReference(_world.Migration), deleted: true),
            Status = new PodCheckpointStatus { Ready = true },
        };
        _world.Put(whole);
        _world.Put(new ContainerCheckpoint
        {
            Metadata = Meta("part", Owners.ControllerReference(whole), deleted: true),
            Status = new ContainerCheckpointStatus { Ready = true },
        });
    }

    [TearDown]
    public void End() => _queue.Dispose();

    [Test]
    public async Task A_checkpoint_waits_for_the_end_of_the_migration_that_needs_it()
    {
        await ReconcileWholeAsync();
        _world.MetadataPatches.Should().BeEmpty();
        _world.Events.Should().ContainSingle().Which.Message.Should().Be(
            "PodMigration m moves a pod by it; it goes when that has ended");

        _world.Put(_world.Migration with { Status = new PodMigrationStatus { CompletionTime = DateTime.UnixEpoch } });
        _world.Take<ContainerCheckpoint>("n", "part");
        await ReconcileWholeAsync();
        _world.MetadataPatches.Should().Equal(("whole", "finalizers: "));
    }

    [Test]
    public async Task A_checkpoint_that_is_deleted_before_it_is_made_is_made_for_the_migration_that_needs_it()
    {
        _world.Put(new PodCheckpoint
        {
            Metadata = Meta(_world.Checkpoint, Owners.ControllerReference(_world.Migration), deleted: true),
            Spec = new PodCheckpointSpec { PodName = "p" },
        });

        await ReconcileWholeAsync(_world.Checkpoint);

        _world.Find<PodCheckpoint>(new("n", _world.Checkpoint))!.Status!.CheckpointID
            .Should().Be(MigrationScope.CheckpointIdFor(_world.Migration));
    }

    [Test]
    public async Task A_part_that_is_deleted_before_it_is_made_is_made_for_the_migration_that_needs_the_whole()
    {
        PutWhole(leaving: false);
        var part = _world.Find<ContainerCheckpoint>(new("n", "part"))!;
        const string Uid = "2c7d0e5a-1f3b-4a6c-8d9e-0b1a2c3d4e5f";
        _world.Put(_world.Find<V1Pod>(new("n", "p"))! with
        {
            Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "n", Uid = Uid },
        });
        _world.Put(part with
        {
            Spec = new ContainerCheckpointSpec { PodName = "p", ContainerName = "c", PodUID = Uid, CheckpointID = Id },
            Status = null,
        });

        await ReconcilePartAsync();

        _world.Find<ContainerCheckpointContent>(new(null, "ccpc-part-uid")).Should().NotBeNull();
    }

    [Test]
    public async Task A_checkpoint_that_has_failed_tells_its_migration_until_the_end_what_it_has_stopped()
    {
        var whole = _world.Find<PodCheckpoint>(new("n", "whole"))!;
        _world.Put(whole with { Status = new PodCheckpointStatus { Error = new CheckpointError { Reason = "x" } } });
        _world.Take<ContainerCheckpoint>("n", "part");

        await ReconcileWholeAsync();
        _world.MetadataPatches.Should().BeEmpty("its parts would go with it");

        EndMigration();
        await ReconcileWholeAsync();
        _world.MetadataPatches.Should().Equal(("whole", "finalizers: "));
    }

    [TestCase(true)]
    [TestCase(false, "part")]
    public async Task What_stands_beside_a_container_that_failed_tells_a_migration_what_it_has_stopped(
        bool migrates, params string[] dropped)
    {
        var owner = migrates ? Owners.ControllerReference(_world.Migration) : new V1OwnerReference { Uid = "x" };
        var whole = new PodCheckpoint
        {
            Metadata = Meta("whole", owner, deleted: false),
            Status = new PodCheckpointStatus { Error = new CheckpointError { Reason = Reasons.PodNotRunning } },
        };
        _world.Put(whole);
        _world.Put(new ContainerCheckpoint
        {
            Metadata = Meta("part", Owners.ControllerReference(whole), deleted: false),
        });

        await ReconcileWholeAsync();

        _world.Deleted.Should().Equal(dropped);
    }

    [Test]
    public async Task A_part_waits_for_the_migration_that_needs_the_whole([Values] bool leaving)
    {
        PutWhole(leaving);

        await ReconcilePartAsync();
        _world.MetadataPatches
            .Should().BeEmpty("the garbage collector deletes all at once where a user deletes in the foreground");
        _world.Events.Should().ContainSingle().Which.Reason.Should().Be(Reasons.InUse);

        EndMigration();
        await ReconcilePartAsync();
        _world.MetadataPatches.Should().Equal(("part", "finalizers: "));
    }

    [Test]
    public async Task A_part_waits_for_the_pods_that_are_restored_from_the_whole([Values] bool leaving)
    {
        PutWhole(leaving);
        EndMigration();
        _world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "again", NamespaceProperty = "n", Uid = "again-uid",
                Annotations =
                    new Dictionary<string, string> { [WellKnown.RestoreAnnotation] = ArtifactUri.ForPod(PodUid, Id)
                        .ToString() },
            },
            Spec = new V1PodSpec { NodeName = "b" },
        });

        await ReconcilePartAsync();
        _world.MetadataPatches.Should().BeEmpty();
        _world.Events.Should().ContainSingle().Which.Message.Should().StartWith("pod again is being restored");

        _world.Take<V1Pod>("n", "again");
        await ReconcilePartAsync();
        _world.MetadataPatches.Should().Equal(("part", "finalizers: "));
    }

    [TestCase(-1, true)]
    [TestCase(0, false)]
    public async Task A_pod_that_comes_after_the_deletion_does_not_hold_it_up(int seconds, bool waits)
    {
        PutWhole(leaving: true);
        EndMigration();
        _world.Take<ContainerCheckpoint>("n", "part");
        _world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "again",
                NamespaceProperty = "n", Uid = "again-uid", CreationTimestamp = DateTime.UnixEpoch.AddSeconds(seconds),
                Annotations =
                    new Dictionary<string, string> { [WellKnown.RestoreAnnotation] = ArtifactUri.ForPod(PodUid, Id)
                        .ToString() },
            },
            Spec = new V1PodSpec { NodeName = "b" },
        });

        await ReconcileWholeAsync();

        _world.MetadataPatches.Should().HaveCount(waits ? 0 : 1);
    }

    [Test]
    public void No_owner_of_ours_holds_up_another_in_the_foreground() =>
        Owners.ControllerReference(_world.Migration).BlockOwnerDeletion.Should().NotBe(true);

    private void PutWhole(bool leaving) => _world.Put(new PodCheckpoint
    {
        Metadata = Meta("whole", Owners.ControllerReference(_world.Migration), leaving),
        Status = new PodCheckpointStatus { Ready = true, PodUID = PodUid, CheckpointID = Id, Containers = ["c"] },
    });

    private void EndMigration() =>
        _world.Put(_world.Migration with { Status = new PodMigrationStatus { CompletionTime = DateTime.UnixEpoch } });

    private static V1ObjectMeta Meta(string name, V1OwnerReference owner, bool deleted) => new()
    {
        Name = name, NamespaceProperty = "n",
        Uid = $"{name}-uid", OwnerReferences = [owner], Finalizers = [WellKnown.CheckpointFinalizer],
        DeletionTimestamp = deleted ? DateTime.UnixEpoch : null,
    };

    private Task ReconcileWholeAsync(string name = "whole") =>
        new PodCheckpointReconciler(
            _world, _world, new LostNodes(_world, _world.Time), _calls, _world, _queue, _world.Time)
            .ReconcileAsync(new("n", name), CancellationToken.None);

    private Task ReconcilePartAsync() =>
        new ContainerCheckpointReconciler(
            _world, _world, new LostNodes(_world, _world.Time), _calls, _world, _queue, _world.Time)
            .ReconcileAsync(new("n", "part"), CancellationToken.None);
}
