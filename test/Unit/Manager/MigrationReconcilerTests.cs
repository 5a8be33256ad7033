using FluentAssertions;
using Google.Protobuf.WellKnownTypes;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Manager.PodMigrations.Forward;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Single runs of the reconciler; whole migrations are played in the simulation.</summary>
public sealed class MigrationReconcilerTests : MigrationTests
{
    private static string[] Receiving => [ConditionTypes.Validated];

    [Test]
    public async Task A_source_whose_node_is_lost_before_the_dump_ends_the_migration_at_once(
        [Values(nameof(Receiving), nameof(Prepared), nameof(Fenced))] string at, [Values] bool gone)
    {
        _world.HasCome(at switch { nameof(Receiving) => Receiving, nameof(Prepared) => Prepared, _ => Fenced });
        PutTarget(at == nameof(Receiving) ? ["c"] : []);
        if (at != nameof(Fenced))
        {
            _world.Take<PodCheckpoint>("n", _world.Checkpoint);
        }

        Lose("a", gone);

        var looking = FluentActions.Awaiting(_world.ReconcileAsync);
        if (gone && at == nameof(Prepared))
        {
            await looking.Should().ThrowAsync<AgentException>("it is to be fenced there, and is asked again");
        }
        else
        {
            await looking();
        }

        if (gone)
        {
            _world.Condition(ConditionTypes.RolledBack).Should().BeNull("it may be registering anew");
            _world.Time.Advance(LostNodes.Absence);
            await _world.ReconcileAsync();
        }

        _world.Condition(ConditionTypes.RolledBack).Should().Match<V1Condition>(c =>
            c.Status == "False"
            && c.Reason == Reasons.NodeLost
            && c.Message == "node a was lost before the pod was dumped there");

        _world.Answer(new CancelRestoreResponse());
        await _world.ReconcileAsync();
        await _world.ReconcileAsync();

        _world.Status.Outcome.Should().Be(at == nameof(Fenced) ? Outcomes.Lost : Outcomes.SourceGone);
        _world.Status.Message.Should().Be(
            "node a was lost before the pod was dumped there; the source is gone with node "
                + $"a{(at == nameof(Fenced) ? "" : ", and nothing of it had been stopped")}");
    }

    [Test]
    public async Task A_pod_that_is_dumped_needs_its_node_no_more()
    {
        _world.HasCome(Dumped);
        Lose("a", gone: true);
        PutTarget();

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().BeNull();
        _world.Status.Phase.Should().Be(MigrationPhases.Restoring);
    }

    [Test]
    public async Task A_source_that_is_silent_during_the_dump_is_told_of_and_waited_for()
    {
        _world.HasCome(Fenced);
        _world.Put(MigrationWorld.Node("a", ready: "Unknown"));
        _world.Put(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = MigrationScope.CheckpointNameFor(_world.Migration),
                NamespaceProperty = "n", Uid = "checkpoint-uid",
                OwnerReferences = [Owners.ControllerReference(_world.Migration)],
            },
        });

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack).Should().BeNull();
        _world.Condition(ConditionTypes.Stalled)
            .Should().Match<V1Condition>(c => c.Status == "True" && c.Reason == Reasons.SourceUnreachable
            && c.Message!.StartsWith("node a, where the pod is being dumped, does not answer")
            && c.Message.Contains(
                "kubectl taint node a node.kubernetes.io/out-of-service=nodeshutdown:NoExecute, which counts while "
                    + "the node is not ready, or kubectl delete node a")
            && c.Message.EndsWith(
                "Take the taint back when the machine is mended: kubectl taint node a "
                    + "node.kubernetes.io/out-of-service-"));
    }

    [Test]
    public async Task A_source_whose_object_is_gone_is_not_told_as_removed_before_its_node_has_ended_what_ran_there()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        PutTarget();
        _world.Take<V1Pod>("n", "p");
        _world.Refuse<EndProcessesResponse>(new AgentException(Reasons.AgentUnavailable, "silence", isTerminal: false));

        await _world.Invoking(w => w.ReconcileAFewTimesAsync()).Should().ThrowAsync<AgentException>();

        _world.Condition(ConditionTypes.SourceRemoved)?.Status.Should().NotBe("True");
        _world.Condition(ConditionTypes.Stalled).Should().Match<V1Condition>(c =>
            c.Status == "True"
            && c.Reason == Reasons.SourceUnreachable
            && c.Message!.StartsWith("node a, where the source is fenced"));
    }

    [Test]
    public void That_a_node_is_lost_wakes_all_that_it_concerns_and_its_heartbeat_those_that_have_stalled()
    {
        var wakes = new NodeTriggers();
        Triggers.OfMigrations(wakes);
        _world.HasCome(Fenced);
        var node = _world.Find<V1Node>(new ObjectKey(null, "a"))!;

        wakes.Wakes(node, _world).Should().BeEmpty("nothing has happened to it");
        _world.Put(MigrationWorld.Node("a", outOfService: true));
        wakes.Wakes(node, _world).Should().ContainSingle();
        _world.Take<V1Node>(null, "a");
        wakes.Wakes(node, _world).Should().ContainSingle("it is told as it was, and it has gone");
        _world.Take<V1Node>(null, "b");
        wakes.Wakes(MigrationWorld.Node("c"), _world).Should().BeEmpty();
    }

    [Test]
    public async Task What_is_refused_began_when_it_was_first_looked_at([Values] bool dry)
    {
        _world.Put(_world.Migration with { Spec = _world.Migration.Spec with { DryRun = dry ? true : null } });
        if (!dry)
        {
            _world.Take<V1Pod>("n", "p");
        }

        await _world.ReconcileAsync();
        _world.Time.Advance(TimeSpan.FromMilliseconds(70));
        _world.Answer(new GetCapabilitiesResponse());
        await _world.ReconcileAsync();

        (_world.Status.CompletionTime - _world.Status.StartTime).Should().Be(TimeSpan.FromMilliseconds(70));
        _world.Status.StartTime.Should().Be(_world.Status.Steps![0].StartedAt);
    }

    [Test]
    public async Task The_evidence_of_the_fence_is_told_to_the_millisecond()
    {
        _world.HasCome(Prepared);
        _world.Answer(new FenceResponse { FencedAt = Timestamp.FromDateTime(
            new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc).AddTicks(1234567)) });
        await _world.ReconcileAsync();
        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.SourceFenced)!.Message
            .Should().StartWith("fenced on a at 2026-01-02T03:04:05.123Z: ");
    }

    [Test]
    public async Task What_an_agent_answers_in_a_moment_is_told_with_what_follows_and_when_it_was()
    {
        _world.HasCome(Prepared);
        var (stored, began) = (_world.Migration, _world.Time.GetUtcNow().UtcDateTime);

        (await _world.ReconcileAsync()).RequeueAfter.Should().Be(StatusDrafts.Patience);
        _world.Migration.Should().BeSameAs(stored, "the answer is there before anybody could have looked");
        _world.Time.Advance(TimeSpan.FromMilliseconds(100));
        _world.Answer(new FenceResponse { FencedAt = Timestamp.FromDateTime(began) });
        await _world.ReconcileAsync();

        var step = _world.Status.Steps!.Single(s => s.Name == Steps.Fence);
        (step.StartedAt, step.FinishedAt).Should().Be((began, began.AddMilliseconds(100)));
    }

    [Test]
    public async Task What_an_agent_takes_longer_for_is_told_meanwhile()
    {
        _world.HasCome(Prepared);
        var (stored, began) = (_world.Migration, _world.Time.GetUtcNow().UtcDateTime);
        await _world.ReconcileAsync();
        _world.Time.Advance(TimeSpan.FromMilliseconds(200));
        (await _world.ReconcileAsync()).RequeueAfter
            .Should().Be(StatusDrafts.Patience - TimeSpan.FromMilliseconds(200));
        _world.Migration.Should().BeSameAs(stored);
        _world.Time.Advance(TimeSpan.FromMilliseconds(50));

        (await _world.ReconcileAsync()).RequeueAfter.Should().BeGreaterThan(StatusDrafts.Patience);

        var step = _world.Status.Steps!.Single(s => s.Name == Steps.Fence);
        (step.StartedAt, step.FinishedAt).Should().Be((began, (DateTime?)null));
    }

    [Test]
    public async Task What_has_not_been_told_is_no_reason_to_overlook_what_the_user_says()
    {
        _world.HasCome(Prepared);
        await _world.ReconcileAsync();

        _world.Abort();
        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack)!.Reason.Should().Be(Reasons.Aborted);
    }

    [TestCase(1, "1 container is dumped and stands still")]
    [TestCase(2, "2 containers are dumped and stand still")]
    public void Counts_containers_as_people_do(int count, string told) =>
        CheckpointStep.Dumped(count).Should().Be(told);

    [Test]
    public async Task An_abort_that_comes_too_late_is_answered_once()
    {
        _world.HasCome(Verified, Steps.Restore, Steps.Commit);
        PutTarget();
        _world.Abort();

        await _world.ReconcileAsync();
        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.Aborted).Should().Match<V1Condition>(c =>
            c.Status == "False"
            && c.Reason == Reasons.AbortTooLate
            && c.Message!.Contains("the target's processes ran already"));
        _world.Events.Where(e => e.Reason == Reasons.AbortTooLate)
            .Should().ContainSingle().Which.Type.Should().Be("Warning");
        _world.Condition(ConditionTypes.RolledBack).Should().BeNull();
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Whether_an_abort_comes_too_late_is_decided_at_the_target(bool hasRun)
    {
        _world.HasCome(Dumped, Steps.Restore);
        _world.Abort();
        _world.Answer(new CancelRestoreResponse { HasRun = hasRun });
        PutTarget();

        await _world.ReconcileAsync();

        (_world.Condition(ConditionTypes.Aborted)?.Reason == Reasons.AbortTooLate).Should().Be(hasRun);
        (_world.Condition(ConditionTypes.RolledBack)?.Reason == Reasons.Aborted).Should().Be(!hasRun);
    }

    [Test]
    public void A_node_out_of_service_is_asked_for_nothing_though_it_was_last_seen_ready()
    {
        using var world = new MigrationWorld();
        world.Put(MigrationWorld.Node("a", outOfService: true));
        world.Put(MigrationWorld.Node("b", ready: "Unknown"));

        new AgentDirectory(world, Options.Create(new OperatorOptions()), world.Time).Ready().Should().BeEmpty();
    }

    [Test]
    public void A_node_with_another_address_has_another_agent_and_one_that_has_gone_none()
    {
        using var world = new MigrationWorld();
        var node = MigrationWorld.Node("a");
        world.Put(node);
        var agents = new AgentDirectory(world, Options.Create(new OperatorOptions()), world.Time);
        var first = agents.Find("a");
        agents.Find("a").Should().BeSameAs(first);

        world.Put(node with
        {
            Status =
                node.Status! with { Addresses = [new V1NodeAddress { Type = "InternalIP", Address = "192.0.2.2" }] },
        });
        var second = agents.Find("a");
        second.Should().NotBeSameAs(first);
        world.Put(node);
        agents.Find("a").Should().NotBeSameAs(first, "a connection that nobody needs is given up");

        var third = agents.Find("a");
        world.Take<V1Node>(null, "a");
        agents.Find("a").Should().BeNull();
        world.Put(node);
        agents.Find("a").Should().NotBeSameAs(third);
    }

    private void PutTarget(params string[] containers)
    {
        _world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "p-m", NamespaceProperty = "n", Uid = "target-uid",
                Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "migration-uid" },
            },
            Spec =
                new V1PodSpec
                {
                    NodeName = "b",
                    Containers = [.. containers.Select(c => new V1Container { Name = c })],
                },
        });
        _world.Put(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = MigrationScope.CheckpointNameFor(_world.Migration),
                NamespaceProperty = "n", Uid = "checkpoint-uid",
                OwnerReferences = [Owners.ControllerReference(_world.Migration)],
            },
        });
    }

    private void Lose(string node, bool gone)
    {
        if (gone)
        {
            _world.Take<V1Node>(null, node);
        }
        else
        {
            _world.Put(MigrationWorld.Node(node, outOfService: true));
        }
    }

    private sealed class NodeTriggers : ITriggers
    {
        public Func<V1Node, ICluster, IEnumerable<ObjectKey>> Wakes { get; private set; } = null!;

        public ITriggers Watch<T>(Func<T, ICluster, IEnumerable<ObjectKey>> map)
            where T : class, IKubernetesObject<V1ObjectMeta>
        {
            if (map is Func<V1Node, ICluster, IEnumerable<ObjectKey>> ofNodes)
            {
                Wakes = ofNodes;
            }

            return this;
        }
    }
}
