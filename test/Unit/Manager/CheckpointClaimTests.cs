using System.Text.Json.Nodes;
using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What is said of checkpoints by views that lag behind, of a volume that hangs, and of a content
/// that somebody takes away.</summary>
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class CheckpointClaimTests : IDisposable
{
    private readonly CheckpointStage _stage = new();

    public void Dispose() => _stage.Dispose();

    [Test]
    public async Task A_content_whose_claim_is_not_seen_yet_is_not_released([Values] bool leaving)
    {
        var claim = _stage.Claim;
        _stage.Cluster.Hide(claim);
        if (leaving)
        {
            _stage.Cluster.Server.Delete(_stage.Content);
        }
        else
        {
            _stage.Cluster.Server.Edit(_stage.Content, j => j.Remove("status"));
        }

        await _stage.ReconcileAsync<PodCheckpointContent>();

        _stage.Content.Status?.Conditions.Find(ConditionTypes.Bound)?.Status.Should().NotBe("False");
        _stage.Content.Status?.Error.Should().BeNull();
        _stage.Agents.Removed.Should().BeEmpty();
    }

    [Test]
    public async Task A_containers_content_whose_claim_is_not_seen_yet_is_not_released()
    {
        _stage.Cluster.Hide(_stage.Part);

        await _stage.ReconcileAsync<ContainerCheckpointContent>();

        _stage.PartContent.Status!.Conditions.Find(ConditionTypes.Bound)?.Status.Should().NotBe("False");
    }

    [Test]
    public async Task A_checkpoint_whose_content_is_given_to_another_claim_is_not_ready_any_more()
    {
        Give();

        await _stage.ReconcileAsync();

        _stage.Claim.Status!.Ready.Should().BeFalse();
        _stage.Claim.Status.Error!.Reason.Should().Be(Reasons.BindingMismatch);
        _stage.Agents.Removed.Should().BeEmpty("they are the other one's now");
    }

    [Test]
    public async Task A_checkpoint_stays_ready_whose_content_was_given_back_and_is_not_seen_so_yet()
    {
        Give();
        _stage.Cluster.Freeze<PodCheckpointContent>();
        Give(_stage.Claim);

        await _stage.ReconcileAsync<PodCheckpoint>();

        _stage.Claim.Status!.Ready.Should().BeTrue();
    }

    [Test]
    public async Task A_volume_that_hangs_holds_a_deletion_no_longer_than_one_that_refuses()
    {
        _stage.Agents.Hang<DeleteCheckpointResponse>();
        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();

        var again = await _stage.ReconcileAsync<PodCheckpointContent>();
        again.Should().Be(TimeSpan.FromHours(1), "nobody wakes it before");
        _stage.Agents.Time.Advance(again!.Value);
        await _stage.ReconcileAsync();
        // What was asked only now has a little time of its own.
        _stage.Agents.Time.Advance(TimeSpan.FromMinutes(2));
        await _stage.ReconcileAsync();

        _stage.Left.Should().BeEmpty();
        _stage.Agents.Events.Should().Contain(e => e.Reason == Reasons.BytesLeftBehind);
    }

    [Test]
    public async Task A_volume_that_is_asked_late_is_given_the_time_to_answer()
    {
        _stage.Agents.Hang<DeleteCheckpointResponse>();
        // The wrong one first, which waits for its claim.
        _stage.Cluster.Server.Delete(_stage.Content);
        await _stage.ReconcileAsync();
        _stage.Agents.Time.Advance(TimeSpan.FromHours(2));

        _stage.Cluster.Server.Delete(_stage.Claim);
        await _stage.ReconcileAsync();

        _stage.Agents.Events.Should().NotContain(e => e.Reason == Reasons.BytesLeftBehind);
        (await _stage.ReconcileAsync<PodCheckpointContent>()).Should().Be(TimeSpan.FromMinutes(2));
    }

    [TestCase(null, null, Reasons.PodNotFound, "pod q does not exist in this namespace")]
    [TestCase("Pending", null, Reasons.PodNotRunning, "pod q is Pending; only a running pod can be dumped")]
    [TestCase("Running", "deleted", Reasons.PodNotRunning, "pod q is being deleted; only a running pod can be dumped")]
    public async Task What_is_said_of_a_pod_for_good_is_so_and_not_only_seen_so(
        string? phase, string? deleted, string reason, string message)
    {
        Begin("lagging");
        PutPod(phase, deleted);
        _stage.Cluster.Freeze<V1Pod>();
        if (_stage.Cluster.Server.Find<V1Pod>("n", "q") is { } stale)
        {
            _stage.Cluster.Server.Remove(stale);
        }

        PutPod("Running", null);
        await _stage.ReconcileAsync<PodCheckpoint>();
        Find("lagging").Status!.Error.Should().BeNull();
        Find("lagging").Status!.CheckpointID.Should().NotBeNull();

        _stage.Cluster.Server.Remove(_stage.Cluster.Server.Find<V1Pod>("n", "q")!);
        _stage.Cluster.CatchUp();
        PutPod(phase, deleted);
        Begin("late");
        await _stage.ReconcileAsync<PodCheckpoint>();

        Find("late").Status!.Error!.Reason.Should().Be(reason);
        Find("late").Status!.Error!.Message.Should().Be(message);
    }

    [Test]
    public async Task A_container_whose_pod_is_not_seen_yet_is_dumped_in_the_time_that_its_probe_allows(
        [Values] bool replaced, [Values] bool probed)
    {
        if (replaced)
        {
            PutPod("Running", null);
        }

        _stage.Cluster.Freeze<V1Pod>();
        _stage.Cluster.Server.All<V1Pod>().ToList().ForEach(_stage.Cluster.Server.Remove);
        PutPod("Running", null, probed ? new V1Probe { FailureThreshold = 4 } : null);
        PutAlone();

        await _stage.ReconcileAsync<ContainerCheckpoint>();

        var status = _stage.Cluster.Server.Find<ContainerCheckpoint>("n", "alone")!.Status!;
        status.Error.Should().BeNull();
        status.BoundContentName.Should().NotBeNull();
        Asked.FreezeLimit.Should().Be(!probed ? null : new FreezeLimit
        {
            SetBy = "livenessProbe of container \"c\" (failureThreshold 4, periodSeconds 10)", Milliseconds = 30_000,
        });
    }

    [Test]
    public async Task A_container_is_dumped_in_the_time_that_its_own_probe_allows_whatever_its_neighbours_do(
        [Values] bool probed)
    {
        PutPod(
            "Running", null, probed ? new V1Probe { FailureThreshold = 4 } : null,
            neighbour: new V1Probe { FailureThreshold = 2, PeriodSeconds = 1 });
        PutAlone();

        await _stage.ReconcileAsync<ContainerCheckpoint>();

        (Asked.FreezeLimit?.Milliseconds).Should().Be(probed ? 30_000u : null);
    }

    [Test]
    public async Task A_migrations_dump_is_bound_by_the_migrations_own_clock()
    {
        var pod = PutPod("Running", null, new V1Probe())!;
        var migration = _stage.Move();
        _stage.Cluster.Server.Edit(_stage.Claim, j => j["status"]!["podUID"] = pod.Metadata.Uid);
        PutAlone(_stage.Claim);

        await _stage.ReconcileAsync<ContainerCheckpoint>();

        Asked.FenceHolder.Should().Be(migration.Metadata.Uid);
        Asked.FreezeLimit.Should().BeNull();
    }

    [Test]
    public async Task Why_a_checkpoint_cannot_be_sealed_for_now_is_told()
    {
        _stage.Cluster.Server.Edit(_stage.Content, j => j.Remove("status"));
        _stage.Cluster.Server.PatchStatus(_stage.Claim, new JsonObject { ["ready"] = false });
        _stage.Agents.Refuse<SealResponse>(new AgentException(
            Reasons.StoreUnavailable, "the volume refuses: No space left on device", isTerminal: false));

        await FluentActions.Awaiting(() => _stage.ReconcileAsync<PodCheckpoint>())
            .Should().ThrowAsync<AgentException>("it is tried again");

        var ready = _stage.Claim.Status!.Conditions.Find(ConditionTypes.Ready)!;
        (ready.Status, ready.Reason).Should().Be(("False", Reasons.StoreUnavailable));
        ready.Message.Should().Contain("No space left");
        _stage.Agents.Events.Should().Contain(e => e.Reason == Reasons.StoreUnavailable);
    }

    private PodCheckpoint Find(string name) => _stage.Cluster.Server.Find<PodCheckpoint>("n", name)!;

    private void Begin(string name) => _stage.Cluster.Create(new PodCheckpoint
    {
        Metadata = new V1ObjectMeta
        {
            Name = name,
            NamespaceProperty = "n",
            Finalizers = [WellKnown.CheckpointFinalizer],
        }, Spec = new PodCheckpointSpec { PodName = "q" },
    });

    private CheckpointRequest Asked =>
        _stage.Agents.Calls.Select(call => call.Request).OfType<CheckpointRequest>().Last();

    /// <summary>A ContainerCheckpoint of pod q, with an owner or alone.</summary>
    private void PutAlone(PodCheckpoint? owner = null) => _stage.Cluster.Create(new ContainerCheckpoint
    {
        Metadata = new V1ObjectMeta
        {
            Name = "alone",
            NamespaceProperty = "n",
            Finalizers = [WellKnown.CheckpointFinalizer],
            OwnerReferences = owner is null ? null : [Owners.ControllerReference(owner)],
        },
        Spec = new ContainerCheckpointSpec
        {
            PodName = "q", PodUID = _stage.Cluster.Server.Find<V1Pod>("n", "q")!.Metadata.Uid!,
            ContainerName = "c", CheckpointID = owner?.Status!.CheckpointID ?? "20261121t003412z-000002",
        },
    });

    private V1Pod? PutPod(string? phase, string? deleted, V1Probe? probe = null, V1Probe? neighbour = null)
    {
        if (phase is null)
        {
            return null;
        }

        var pod = _stage.Cluster.Create(new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = "q", NamespaceProperty = "n" },
            Spec = new V1PodSpec
            {
                NodeName = "a",
                Containers =
                [
                    new V1Container { Name = "neighbour", LivenessProbe = neighbour },
                    new V1Container { Name = "c", LivenessProbe = probe },
                ],
            },
            Status = new V1PodStatus { Phase = phase },
        });
        if (deleted is not null)
        {
            _stage.Cluster.Server.Delete(pod);
        }

        return pod;
    }

    /// <summary>Offers the content to another claim, or has it bound to one.</summary>
    private void Give(PodCheckpoint? claim = null) => _stage.Cluster.Server.Patch(_stage.Content, new JsonObject
    {
        ["spec"] = new JsonObject
        {
            ["podCheckpointRef"] = new JsonObject
            {
                ["namespace"] = claim?.Metadata.NamespaceProperty ?? "elsewhere",
                ["name"] = claim?.Metadata.Name ?? "copy", ["uid"] = claim?.Metadata.Uid,
            },
        },
    });
}
