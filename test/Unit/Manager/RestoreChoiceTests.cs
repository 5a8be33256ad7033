using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.PodRestores;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Unit.Manager;

/// <summary>Of several PodCheckpoints of one artifact, an imported one beside the one that made
/// it, any that serves will do.</summary>
public sealed class RestoreChoiceTests
{
    private const string PodUid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private const string Id = "20261121t003412z-7f3a9c";
    private static readonly ObjectKey Key = new("n", "again");

    [Test]
    public async Task One_that_goes_or_has_failed_is_in_nobodys_way(
        [Values("leaving", "failed", "unfinished")] string first, [Values] bool lastOfAll)
    {
        using var world = NewWorld();
        if (lastOfAll)
        {
            Put(world, "whole");
        }

        Put(world, first);
        if (!lastOfAll)
        {
            Put(world, "whole");
        }

        await ReconcileAsync(world);

        Outcome(world).Should().Be(Outcomes.Restored);
    }

    [TestCase("again", true)]
    [TestCase("again-m7c9e6679", false)]
    public async Task A_pod_that_was_made_of_a_migrated_pods_manifest_is_not_that_migrations(string name, bool served)
    {
        using var world = NewWorld();
        Put(world, "whole");
        var pod = world.Find<V1Pod>(Key)!;
        world.Take<V1Pod>("n", "again");
        world.Put(pod with
        {
            Metadata = pod.Metadata with
            {
                Name = name,
                Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = PodUid },
            },
        });

        await ReconcileAsync(world, name);

        world.Deleted.Should().Equal(served ? [] : [name], "a target whose migration is over is a stray one");
        world.Find<V1Pod>(new("n", name))?.Metadata.Annotations.Should().Contain(
            WellKnown.RestoreOutcome, Outcomes.Restored);
    }

    [TestCase("that-one", true, Outcomes.Restored)]
    [TestCase("that-one", false, Reasons.RestoreRefused)]
    [TestCase("again-uid", true, "told before")]
    [TestCase(null, true, "told before")]
    public async Task What_was_told_of_a_pod_is_not_told_of_one_that_is_made_of_its_manifest(
        string? of, bool stands, string outcome)
    {
        using var world = NewWorld();
        if (stands)
        {
            Put(world, "whole");
        }

        world.Change(Key.Name, metadata => metadata with
        {
            Annotations = metadata.Annotations!
                .Append(KeyValuePair.Create(WellKnown.RestoreOutcome, "told before"))
                .Concat(of is null ? [] : [KeyValuePair.Create(WellKnown.RestoreOutcomeOf, of)])
                .ToDictionary(),
        });
        world.Time.Advance(TimeSpan.FromMinutes(1));

        await ReconcileAsync(world);

        Outcome(world).Should().StartWith(outcome);
        RestoreOutcome.Of(world.Find<V1Pod>(Key)!).Should().StartWith(outcome);
    }

    [Test]
    public async Task Where_none_serves_the_pod_is_refused()
    {
        using var world = NewWorld();
        Put(world, "failed");
        Put(world, "leaving");
        world.Time.Advance(TimeSpan.FromMinutes(1));

        await ReconcileAsync(world);

        Outcome(world).Should().StartWith(Reasons.RestoreRefused);
    }

    [Test]
    public async Task What_a_pod_waits_for_is_told()
    {
        using var world = NewWorld();
        Put(world, "unfinished");
        var checkpoint = world.Find<PodCheckpoint>(new("n", "unfinished"))!;
        world.Put(checkpoint with
        {
            Status = checkpoint.Status! with { Conditions = checkpoint.Status.Conditions.With(
                ConditionTypes.Ready, "False", Reasons.StoreUnavailable, "the volume refuses", 1, DateTime.UnixEpoch) },
        });

        await ReconcileAsync(world);

        Outcome(world).Should().BeNull();
        world.Events.Should().Contain(
            (
                "Warning",
                Reasons.StoreUnavailable,
                "waits for PodCheckpoint unfinished, which is not ready: the volume refuses"));
    }

    [Test]
    public async Task Whose_agent_a_pod_waits_for_is_told()
    {
        using var world = NewWorld();
        Put(world, "whole");
        world.Refuse<PrepareRestoreResponse>(
            new AgentException(Reasons.AgentUnavailable, "connection refused", isTerminal: false));

        await FluentActions.Awaiting(() => ReconcileAsync(world))
            .Should().ThrowAsync<AgentException>("it is tried again");

        Outcome(world).Should().BeNull();
        world.Events.Should().Contain(("Warning", Reasons.AgentUnavailable, "is not restored yet: connection refused"));
    }

    [Test]
    public async Task What_agents_have_answered_about_a_pod_is_forgotten_when_it_is_deleted_by_force()
    {
        using var world = NewWorld();
        using var queue = new WorkQueue(world.Time);
        var calls = new PendingCalls(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None);
        var reconciler = new PodRestoreReconciler(world, world, calls, world, queue, world.Time);
        Put(world, "whole");
        world.Hang<GetRestoreResponse>();
        await reconciler.ReconcileAsync(Key, CancellationToken.None);
        var pod = world.Find<V1Pod>(Key)!;

        world.Take<V1Pod>("n", "again");
        await reconciler.ReconcileAsync(Key, CancellationToken.None);

        world.Put(pod);
        world.Refuse<PrepareRestoreResponse>(
            new AgentException(Reasons.AgentUnavailable, "asked again", isTerminal: false));
        await FluentActions.Awaiting(() => reconciler.ReconcileAsync(Key, CancellationToken.None)).Should()
            .ThrowAsync<AgentException>("nothing is known of it").WithMessage("asked again");
    }

    [TestCase(null, false)]
    [TestCase("Always", true)]
    public async Task A_pod_whose_first_container_would_wait_for_a_checkpoint_that_it_is_not_in_is_refused(
        string? restartPolicy, bool restored)
    {
        using var world = NewWorld(restored ? ["c", "i"] : ["c"]);
        Put(world, "whole", restored ? ["c", "i"] : ["c"]);
        world.Find<V1Pod>(Key)!.Spec.InitContainers!.Add(new V1Container { Name = "i", RestartPolicy = restartPolicy });

        await ReconcileAsync(world);

        Outcome(world)
            .Should().StartWith(restored ? Outcomes.Restored : $"{Reasons.RestoreRefused}: init container i ");
    }

    private static MigrationWorld NewWorld(params string[] containers)
    {
        var world = new MigrationWorld();
        world.Answer(new PrepareRestoreResponse());
        world.Answer(new CancelRestoreResponse());
        world.Answer(new GetRestoreResponse
        {
            Containers = { containers.DefaultIfEmpty("c")
                .Select(c => new ContainerRestore { ContainerName = c, Phase = "Running" }) },
        });
        world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "again",
                NamespaceProperty = "n", Uid = "again-uid", CreationTimestamp = world.Time.GetUtcNow().UtcDateTime,
                Annotations =
                    new Dictionary<string, string> { [WellKnown.RestoreAnnotation] = ArtifactUri.ForPod(PodUid, Id)
                        .ToString() },
            },
            Spec = new V1PodSpec
            {
                NodeName = "b",
                RuntimeClassName = WellKnown.RestoreRuntimeClass, InitContainers = new List<V1Container>(),
                Containers = [new V1Container { Name = "c" }],
            },
            Status = new V1PodStatus { Phase = "Pending" },
        });
        return world;
    }

    private static void Put(MigrationWorld world, string kind, params string[] containers)
    {
        world.Put(new PodCheckpoint
        {
            Metadata = new V1ObjectMeta
            {
                Name = kind, NamespaceProperty = "n",
                Uid = $"{kind}-uid", DeletionTimestamp = kind == "leaving" ? DateTime.UnixEpoch : null,
            },
            Spec = new PodCheckpointSpec { PodName = "p" },
            Status = new PodCheckpointStatus
            {
                PodUID = PodUid, CheckpointID = Id, Containers = [.. containers.DefaultIfEmpty("c")],
                BoundContentName = $"pcpc-{kind}-uid", Ready = kind is "whole" or "leaving",
                Error = kind == "failed" ? new CheckpointError { Reason = "x", Message = "y" } : null,
            },
        });
        world.Put(new PodCheckpointContent
        {
            Metadata = new V1ObjectMeta { Name = $"pcpc-{kind}-uid" },
            Spec = new PodCheckpointContentSpec
            {
                PodCheckpointRef = new ClaimReference { NamespaceProperty = "n", Name = kind, Uid = $"{kind}-uid" },
                Source = new CheckpointSource
                {
                    PodNamespace = "n",
                    PodName = "p",
                    PodUID = PodUid,
                    NodeName = "a",
                    CheckpointID = Id,
                },
            },
        });
    }

    private static string? Outcome(MigrationWorld world) =>
        world.Find<V1Pod>(Key)!.Metadata.Annotations!.TryGetValue(WellKnown.RestoreOutcome, out var outcome)
            ? outcome
            : null;

    private static async Task ReconcileAsync(MigrationWorld world, string name = "again")
    {
        using var queue = new WorkQueue(world.Time);
        var reconciler = new PodRestoreReconciler(
            world, world, new PendingCalls(new MigrationWorld.Inline(), new SoleLeader(), CancellationToken.None),
            world, queue, world.Time);
        for (var i = 0; i < 3; i++)
        {
            await reconciler.ReconcileAsync(new ObjectKey("n", name), CancellationToken.None);
        }
    }
}
