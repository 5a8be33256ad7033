using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Manager.PodCheckpoints;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A checkpoint of a pod and those of its containers.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class CheckpointPartsTests : IDisposable
{
    private const string PodUid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private const string Id = "20261121t003412z-7f3a9c";
    private readonly MigrationWorld _world = new();
    private readonly WorkQueue _queue;
    private readonly PendingCalls _calls = new(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None);

    public CheckpointPartsTests() => _queue = new WorkQueue(_world.Time);

    public void Dispose()
    {
        _world.Dispose();
        _queue.Dispose();
    }

    [TestCase("a", "b-c", "a-b", "c")]
    [TestCase("a", "c", "a-c", "c")]
    public async Task Checkpoints_whose_names_run_into_one_have_parts_of_their_own(
        string one, string container, string other, string otherContainer)
    {
        await ReconcileAsync(Whole(one, "11111111-0000", container));
        await ReconcileAsync(Whole(other, "22222222-0000", otherContainer));

        Parts.Should().HaveCount(2);
        Find(other).Status!.Error.Should().BeNull();
    }

    [Test]
    public async Task Parts_of_a_checkpoint_with_the_longest_of_names_have_names_that_are_allowed()
    {
        await ReconcileAsync(Whole(new string('n', 253), "11111111-0000", new string('c', 63)));

        Parts.Should().ContainSingle().Which.Metadata.Name!.Length.Should().BeLessThanOrEqualTo(253 - "ccpc-".Length);
    }

    [Test]
    public async Task Parts_that_are_there_are_found_whatever_they_are_called()
    {
        var whole = Whole("a", "11111111-0000", "c");
        _world.Put(Part("a-c", whole));

        await ReconcileAsync(whole);

        Parts.Should().ContainSingle().Which.Metadata.Name.Should().Be("a-c");
    }

    [Test]
    public async Task A_migrations_checkpoint_that_has_lost_its_migration_dumps_nothing_any_more([Values] bool stands)
    {
        var whole = Whole("a", "11111111-0000", "c");
        whole = whole with
        {
            Metadata =
                whole.Metadata with { Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "over" } },
        };
        _world.Put(whole);
        _world.Put(Part("part", whole));
        // What its node would make of it: a dump of a pod that serves.
        _world.Answer(new CheckpointResponse { StoppedAt = new(), Digest = "d" });
        if (stands)
        {
            _world.Answer(new VerifyCheckpointResponse());
        }
        else
        {
            _world.Refuse<VerifyCheckpointResponse>(
                new AgentException(Reasons.ArtifactMissing, "not there", isTerminal: true));
        }

        for (var i = 0; i < 3; i++)
        {
            await new ContainerCheckpointReconciler(
                _world, _world, new LostNodes(_world, _world.Time), _calls, _world, _queue, _world.Time)
                .ReconcileAsync(new("n", "part"), CancellationToken.None);
        }

        var status = Parts.Single().Status!;
        status.Ready.Should().Be(stands, "what the volume holds is taken");
        status.Error?.Reason.Should().Be(stands ? null : Reasons.CheckpointFailed);
    }

    private IEnumerable<ContainerCheckpoint> Parts => _world.All<ContainerCheckpoint>();

    private PodCheckpoint Find(string name) => _world.Find<PodCheckpoint>(new("n", name))!;

    private PodCheckpoint Whole(string name, string uid, string container)
    {
        var whole = new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = name,
                NamespaceProperty = "n",
                Uid = uid,
                Finalizers = [WellKnown.CheckpointFinalizer],
            },
            Spec = new PodCheckpointSpec { PodName = "p" },
            Status =
                new PodCheckpointStatus
                {
                    CheckpointID = Id,
                    PodUID = PodUid,
                    NodeName = "a",
                    Containers = [container],
                },
        };
        _world.Put(whole);
        var pod = _world.Find<V1Pod>(new("n", "p"))!;
        _world.Put(pod with { Metadata = pod.Metadata with { Uid = PodUid } });
        return whole;
    }

    private static ContainerCheckpoint Part(string name, PodCheckpoint whole) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = name, NamespaceProperty = "n", Uid = $"{name}-uid",
            OwnerReferences = [Owners.ControllerReference(whole)], Finalizers = [WellKnown.CheckpointFinalizer],
        },
        Spec = new ContainerCheckpointSpec { PodName = "p", PodUID = PodUid, ContainerName = "c", CheckpointID = Id },
    };

    private Task ReconcileAsync(PodCheckpoint whole) =>
        new PodCheckpointReconciler(
            _world, _world, new LostNodes(_world, _world.Time), _calls, _world, _queue, _world.Time)
            .ReconcileAsync(ObjectKey.Of(whole), CancellationToken.None);
}
