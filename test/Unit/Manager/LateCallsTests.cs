using FluentAssertions;
using k8s.Models;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.Contents;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What an operator that has died had sent, and the API server carries out when all is over.</summary>
internal sealed class LateCallsTests : MigrationTests
{
    private const string Target = "p-mmigratio";
    private static readonly V1ContainerStatus Ran = new() { Name = "c", RestartCount = 1 };
    private readonly PendingCalls _calls = new(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None);
    private WorkQueue _queue = null!;

    [SetUp]
    public void Begin() => _queue = new WorkQueue(_world.Time);

    [TearDown]
    public void End() => _queue.Dispose();

    [Test]
    public async Task A_target_that_comes_when_its_migration_has_ended_goes_again()
    {
        End(Outcomes.RolledBack);
        PutTarget();

        await LookAtTargetAsync();

        HasTarget().Should().BeFalse();
    }

    [Test]
    public async Task A_target_that_comes_when_its_migration_has_been_deleted_goes_again()
    {
        _world.Take<PodMigration>("n", "m");
        PutTarget();

        await LookAtTargetAsync();

        HasTarget().Should().BeFalse();
    }

    [TestCase(9, false)]
    [TestCase(11, true)]
    public async Task A_pod_that_somebody_makes_of_a_targets_manifest_is_told_what_to_leave_out_and_stays(
        int minutesLater, bool stays)
    {
        _world.Take<PodMigration>("n", "m");
        PutTarget();
        _world.Change(Target, metadata => metadata with
        {
            CreationTimestamp = DateTime.UnixEpoch.AddMinutes(minutesLater),
            Annotations = new Dictionary<string, string>(metadata.Annotations!)
            {
                [WellKnown.RequestedAt] = "1970-01-01T00:00:00.0000000Z",
                [WellKnown.RestoreOutcome] = Outcomes.Restored,
                [WellKnown.RestoreOutcomeOf] = "that-one",
            },
        });
        _world.Answer(new CancelRestoreResponse());

        await LookAtTargetAsync();
        await LookAtTargetAsync();

        HasTarget().Should().Be(stays);
        var told = _world.Events.Should().ContainSingle().Which;
        told.Type.Should().Be("Warning");
        if (stays)
        {
            told.Reason.Should().Be(Reasons.RestoreRefused);
            told.Message.Should().ContainAll(WellKnown.MigrationUid, WellKnown.RestoreAnnotation, "runtimeClassName");
            RestoreOutcome.Of(_world.Find<V1Pod>(new("n", Target))!).Should().StartWith(Reasons.RestoreRefused);
        }
    }

    [Test]
    public async Task A_target_is_left_to_its_migration_while_that_is_under_way()
    {
        PutTarget();

        await LookAtTargetAsync();

        HasTarget().Should().BeTrue();
    }

    [Test]
    public async Task A_target_that_has_run_stays_whatever_has_become_of_its_migration()
    {
        _world.Take<PodMigration>("n", "m");
        PutTarget(Ran);

        await LookAtTargetAsync();

        HasTarget().Should().BeTrue();
    }

    [Test]
    public async Task The_target_that_a_migration_says_it_has_restored_stays()
    {
        End(Outcomes.Restored);
        PutTarget();

        await LookAtTargetAsync();

        HasTarget().Should().BeTrue("its status is only not seen yet");
    }

    [Test]
    public async Task A_checkpoint_that_comes_when_its_migration_has_ended_goes_again()
    {
        End(Outcomes.RolledBack);
        var migration = _world.Migration;
        _world.Put(migration with { Metadata = migration.Metadata with { Finalizers = null } });
        _world.Put(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "m-migratio",
                NamespaceProperty = "n",
                Uid = "whole",
                OwnerReferences = [Owners.ControllerReference(migration)],
            },
        });

        await _world.ReconcileAsync();

        _world.All<PodCheckpoint>().Should().BeEmpty();
    }

    [Test]
    public async Task A_part_of_a_checkpoint_that_has_gone_is_not_dumped()
    {
        var part = new ContainerCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "x-c", NamespaceProperty = "n", Uid = "part", Finalizers = [WellKnown.CheckpointFinalizer],
                OwnerReferences =
                [
                    new V1OwnerReference { Kind = nameof(PodCheckpoint), Name = "x", Uid = "gone", Controller = true },
                ],
            },
            Spec = new ContainerCheckpointSpec
            {
                PodName = "p",
                PodUID = "pod-uid",
                ContainerName = "c",
                CheckpointID = "20261121t000000z-000005",
            },
        };
        _world.Put(part);
        var reconciler = new ContainerCheckpointReconciler(
            _world, _world, new LostNodes(_world, _world.Time), _calls, _world, _queue, _world.Time);

        await reconciler.ReconcileAsync(ObjectKey.Of(part), CancellationToken.None);

        _world.All<ContainerCheckpoint>().Single().Status!.Error!.Reason.Should().Be(Reasons.BindingMismatch);
        _world.All<ContainerCheckpointContent>().Should().BeEmpty();
    }

    // What a claim that is there has, or one that is seen late, is in ClaimsUnseenTests.
    [TestCase(DeletionPolicies.Delete, "ccpc-gone", false, true)]
    [TestCase(DeletionPolicies.Retain, "ccpc-gone", false, false)]
    [TestCase(DeletionPolicies.Delete, "imported", false, false)]
    [TestCase(DeletionPolicies.Delete, "ccpc-gone", true, false)]
    public async Task A_content_that_comes_when_its_claim_has_gone_goes_unless_it_is_more_than_that(
        string policy, string name, bool ready, bool goes)
    {
        var content = new ContainerCheckpointContent
        {
            Metadata = new V1ObjectMeta { Name = name, Uid = "content" },
            Spec = new ContainerCheckpointContentSpec
            {
                DeletionPolicy = policy,
                ContainerCheckpointRef = new ClaimReference { NamespaceProperty = "n", Name = "x-c", Uid = "gone" },
            },
            Status = ready ? new ContainerCheckpointContentStatus { Ready = true } : null,
        };

        _world.Put(content);
        var release =
            new ContentRelease(_world, _world, _calls, _world, Options.Create(new OperatorOptions()), _world.Time);

        var sharedBytes = new SharedBytes(_world, release, _world.Time);

        await new ContainerCheckpointContentReconciler(_world, release, sharedBytes, _world, _queue, _world.Time)
            .ReconcileAsync(ObjectKey.Of(content), CancellationToken.None);

        _world.Deleted.Should().Equal(goes ? [name] : []);
    }

    [Test]
    public async Task A_pod_is_refused_whose_checkpoint_is_deleted_before_it_is_whole()
    {
        _world.Put(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "k",
                NamespaceProperty = "n",
                Uid = "k-uid",
                DeletionTimestamp = DateTime.UnixEpoch,
            },
            Spec = new PodCheckpointSpec { PodName = "p" },
            Status = new PodCheckpointStatus
            {
                PodUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7",
                CheckpointID = "20261121t003412z-7f3a9c",
            },
        });
        _world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "r", NamespaceProperty = "n",
                Uid = "r-uid", CreationTimestamp = _world.Time.GetUtcNow().UtcDateTime.AddMinutes(-1),
                Annotations = new Dictionary<string, string>
                {
                    [WellKnown.RestoreAnnotation] =
                        "shared://7c9e6679-7425-40de-944b-e07fc1f90ae7/20261121t003412z-7f3a9c",
                },
            },
            Spec = new V1PodSpec
            {
                NodeName = "b",
                RuntimeClassName = WellKnown.RestoreRuntimeClass,
                Containers = [new V1Container { Name = "c" }],
            },
        });
        _world.Answer(new CancelRestoreResponse());

        for (var run = 0; run < 2; run++)
        {
            await new PodRestoreReconciler(_world, _world, _calls, _world, _queue, _world.Time).ReconcileAsync(
                new ObjectKey("n", "r"), CancellationToken.None);
        }

        var pod = _world.Find<V1Pod>(new ObjectKey("n", "r"))!;
        pod.Metadata.Annotations![WellKnown.RestoreOutcome]
            .Should().StartWith(Reasons.RestoreRefused, "each would wait for the other for ever");
        RestoreRequest.Of(pod).Should().BeNull();
    }

    [TestCase(-1, false, null)]
    [TestCase(0, false, Reasons.RestoreRefused)]
    // Another life of the operator has let it run.
    [TestCase(0, true, Outcomes.Restored)]
    public async Task A_pod_that_comes_after_the_deletion_of_its_checkpoint_is_refused_unless_it_runs(
        int seconds, bool runs, string? outcome)
    {
        _world.Put(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "k",
                NamespaceProperty = "n",
                Uid = "k-uid",
                DeletionTimestamp = _world.Time.GetUtcNow().UtcDateTime,
            },
            Spec = new PodCheckpointSpec { PodName = "p" },
            Status = new PodCheckpointStatus
            {
                PodUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7", CheckpointID = "20261121t003412z-7f3a9c",
                Ready = true, BoundContentName = "pcpc-k-uid", Containers = ["c"],
            },
        });
        _world.Put(new PodCheckpointContent
        {
            Metadata = new V1ObjectMeta { Name = "pcpc-k-uid" },
            Spec = new PodCheckpointContentSpec
            {
                PodCheckpointRef = new ClaimReference { NamespaceProperty = "n", Name = "k", Uid = "k-uid" },
                Source = new CheckpointSource
                {
                    PodUID = "7c9e6679-7425-40de-944b-e07fc1f90ae7",
                    CheckpointID = "20261121t003412z-7f3a9c",
                },
            },
        });
        _world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "r", NamespaceProperty = "n",
                Uid = "r-uid", CreationTimestamp = _world.Time.GetUtcNow().UtcDateTime.AddSeconds(seconds),
                Annotations = new Dictionary<string, string>
                {
                    [WellKnown.RestoreAnnotation] =
                        "shared://7c9e6679-7425-40de-944b-e07fc1f90ae7/20261121t003412z-7f3a9c",
                },
            },
            Spec = new V1PodSpec
            {
                NodeName = "b",
                RuntimeClassName = WellKnown.RestoreRuntimeClass,
                Containers = [new V1Container { Name = "c" }],
            },
        });
        _world.Answer(new CancelRestoreResponse { HasRun = runs });

        await new PodRestoreReconciler(_world, _world, _calls, _world, _queue, _world.Time).ReconcileAsync(
            new ObjectKey("n", "r"), CancellationToken.None);

        var said = _world.Find<V1Pod>(new ObjectKey("n", "r"))!.Metadata.Annotations!
            .TryGetValue(WellKnown.RestoreOutcome, out var words) ? words.Split(':')[0] : null;
        said.Should().Be(outcome);
    }

    private void End(string outcome)
    {
        _world.HasCome([ConditionTypes.Validated]);
        _world.Put(_world.Migration with
        {
            Status = _world.Status with { Outcome = outcome, CompletionTime = DateTime.UnixEpoch },
        });
    }

    private void PutTarget(params V1ContainerStatus[] statuses) => _world.Put(new V1Pod
    {
        Metadata = new V1ObjectMeta
        {
            Name = Target, NamespaceProperty = "n",
            Uid = "target-uid", Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "migration-uid" },
            Annotations =
                new Dictionary<string, string>
                {
                    [WellKnown.RestoreAnnotation] = "shared://pod-uid/20261121t000000z-000005",
                },
        },
        Spec = new V1PodSpec
        {
            NodeName = "b",
            RuntimeClassName = WellKnown.RestoreRuntimeClass,
            Containers = [new V1Container { Name = "c" }],
        },
        Status = new V1PodStatus { Phase = "Pending", ContainerStatuses = statuses },
    });

    private bool HasTarget() => _world.All<V1Pod>().Any(p => p.Metadata.Name == Target);

    private Task LookAtTargetAsync() =>
        new PodRestoreReconciler(_world, _world, _calls, _world, _queue, _world.Time).ReconcileAsync(
            new ObjectKey("n", Target), CancellationToken.None);
}
