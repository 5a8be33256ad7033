using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.ContainerCheckpoints;
using PodCheckpointing.Runtime;
using PodCheckpointing.TestKit;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A node is lost while, or after, a container was dumped there: what counts
/// is what the volume holds.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class LostDumpTests : IDisposable
{
    private static readonly ObjectKey Key = new("n", "k");
    private readonly MigrationWorld _world = new();
    private readonly WorkQueue _queue;
    private readonly ContainerCheckpointReconciler _reconciler;

    public LostDumpTests()
    {
        _queue = new WorkQueue(_world.Time);
        _reconciler = new ContainerCheckpointReconciler(
            _world, _world, new LostNodes(_world, _world.Time),
            new PendingCalls(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None),
            _world, _queue, _world.Time);
        _world.Put(MigrationWorld.Node("z"));
        _world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "q",
                NamespaceProperty = "n",
                Uid = "7b1c1f0e-2f0e-4c59-9a77-3a5c2d9e1b10",
            }, Spec = new V1PodSpec { NodeName = "z" },
        });
        _world.Put(new ContainerCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = "k",
                NamespaceProperty = "n",
                Uid = "k-uid",
                Finalizers = [WellKnown.CheckpointFinalizer],
            },
            Spec = new ContainerCheckpointSpec
            {
                PodName = "q",
                PodUID = "7b1c1f0e-2f0e-4c59-9a77-3a5c2d9e1b10",
                ContainerName = "c",
                CheckpointID = "20261121t003412z-7f3a9c",
            },
        });
    }

    private ContainerCheckpointStatus? Status => _world.Find<ContainerCheckpoint>(Key)!.Status;

    public void Dispose()
    {
        _world.Dispose();
        _queue.Dispose();
    }

    [Test]
    public async Task What_stands_whole_on_the_volume_is_taken_though_its_node_is_lost([Values] bool gone)
    {
        (await _reconciler.ReconcileAsync(Key, CancellationToken.None)).RequeueAfter
            .Should().NotBeNull("a lost node does not say so");
        await LoseAsync(gone);
        _world.Answer(new VerifyCheckpointResponse());

        await UntilAsync(() => Status?.Conditions is not null && Status.Ready != true);
        Status!.Ready.Should().NotBe(true, "its agent has not answered");
        _world.Answer(new CheckpointResponse { LeftStopped = true, StoppedAt = new(), Digest = "d" });
        await UntilAsync(() => Status?.Ready == true);

        _world.All<ContainerCheckpointContent>().Single().Status!.LeftStopped.Should().BeTrue();
        (await _reconciler.ReconcileAsync(Key, CancellationToken.None)).RequeueAfter.Should().BeNull();
    }

    [Test]
    public async Task What_the_volume_does_not_hold_is_lost_with_its_node([Values] bool gone)
    {
        await _reconciler.ReconcileAsync(Key, CancellationToken.None);
        await LoseAsync(gone);
        _world.Refuse<VerifyCheckpointResponse>(
            new AgentException(Reasons.ArtifactMissing, "the checkpoint is not complete", isTerminal: true));

        await UntilAsync(() => Status?.Error is not null);

        Status!.Error!.Reason.Should().Be(Reasons.NodeLost);
        Status.Error.Message.Should().Be("node z was lost before the container was dumped there");
    }

    private async Task LoseAsync(bool gone)
    {
        if (gone)
        {
            _world.Take<V1Node>(null, "z");
            await FluentActions.Awaiting(() => _reconciler.ReconcileAsync(Key, CancellationToken.None))
                .Should().ThrowAsync<AgentException>("it may be registering anew, and is asked again");
            _world.Time.Advance(LostNodes.Absence);
        }
        else
        {
            _world.Put(MigrationWorld.Node("z", outOfService: true));
        }
    }

    private async Task UntilAsync(Func<bool> done)
    {
        using var patience = new CancellationTokenSource(Wait.Patience);
        while (!done())
        {
            patience.Token.ThrowIfCancellationRequested();
            await _reconciler.ReconcileAsync(Key, CancellationToken.None);
        }
    }
}
