using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>A target that waits: made from the image that runs at the source, given up when it never will, and not
/// waited for longer than the source may stand still.</summary>
public sealed class ReceiverTests : MigrationTests
{
    private const string Tag = "registry.example/web:1";
    private const string Digest = "registry.example/web@sha256:aa";

    // As uids are: the checkpoint's URI is made of them.
    private const string Uid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

    [TestCase("proxy", "container proxy was put into the target pod p-m when it was created")]
    [TestCase(null, "container c was taken out of the target pod p-m when it was created")]
    public async Task A_target_with_other_containers_than_its_source_is_found_out_before_the_source_is_stopped(
        string? added, string message)
    {
        _world.HasCome([ConditionTypes.Validated], Steps.Receive);
        _world.Put(new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "p-m", NamespaceProperty = "n", Uid = "target-uid",
                Labels = new Dictionary<string, string> { [WellKnown.MigrationUid] = "migration-uid" },
            },
            Spec = new V1PodSpec { NodeName = "b", Containers = added is null
                ? []
                : [new V1Container { Name = "c" }, new V1Container { Name = added }] },
        });

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack)
            .Should().Match<V1Condition>(c => c.Reason == Reasons.PodNotMigratable && c.Message!.StartsWith(message));
        _world.Condition(ConditionTypes.SourceFenced).Should().BeNull();
    }

    [Test]
    public async Task A_target_whose_image_cannot_be_pulled_ends_the_migration_at_once_with_kubelets_words()
    {
        _world.HasCome([ConditionTypes.Validated], Steps.Receive);
        _world.PutTarget(new V1PodStatus
        {
            Phase = "Pending",
            ContainerStatuses = [new V1ContainerStatus
            {
                Name = "c",
                State = new() { Waiting = new() { Reason = "ErrImagePull", Message = "manifest unknown" } },
            }],
        });

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack)
            .Should().Match<V1Condition>(c => c.Status == "False" && c.Reason == Reasons.ImageNotPulled
            && c.Message == "container c cannot start at b: ErrImagePull: manifest unknown");
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAsync();
        await _world.ReconcileAsync();

        _world.Status.Outcome.Should().Be(Outcomes.RolledBack);
        _world.Deleted.Should().Equal("p-m");
        _world.Condition(ConditionTypes.SourceFenced).Should().BeNull();
        _world.Events.Should().NotContain(e => e.Reason == Outcomes.RolledBack, "the source has never stood still");
    }

    [TestCase(
        "ContainerCreating", "", "False",
        "; pod p-m has no sandbox at b (PodReadyToStartContainers is False): kubectl -n n describe pod p-m says why")]
    [TestCase(
        "CreateContainerError", "no such runtime", "True",
        "; container c of pod p-m at b: CreateContainerError: no such runtime")]
    [TestCase("ContainerCreating", "", "True", "")]
    [TestCase(null, "", null, "; kubelet of b has not begun with pod p-m")]
    public async Task When_its_time_is_up_it_is_told_what_the_target_waits_for(
        string? waits, string message, string? sandbox, string told)
    {
        _world.HasCome([ConditionTypes.Validated], Steps.Receive);
        _world.PutTarget(new V1PodStatus
        {
            Phase = "Pending",
            ContainerStatuses = waits is null
                ? null
                : [new V1ContainerStatus
                {
                    Name = "c",
                    State = new() { Waiting = new() { Reason = waits, Message = message } },
                }],
            Conditions = sandbox is null
                ? null
                : [new V1PodCondition { Type = "PodReadyToStartContainers", Status = sandbox }],
        });
        _world.Time.Advance(TimeSpan.FromSeconds(300));

        await _world.ReconcileAsync();

        _world.Condition(ConditionTypes.RolledBack)!.Message
            .Should().Be("not restored within timeoutSeconds (300)" + told);
    }

    [Test]
    public async Task Where_the_tag_has_moved_the_target_names_the_digest_that_runs()
    {
        BeginWith(Digest);
        _world.Answer(Images((Digest, "sha256:1"), (Tag, "sha256:2")));

        await _world.ReconcileAsync();

        _world.All<V1Pod>().Single(p => p.Metadata.Name != "p").Spec.Containers.Single().Image.Should().Be(Digest);
    }

    [TestCase("sha256:1", false)]
    [TestCase("sha256:2", true)]
    public async Task What_was_pulled_by_a_tag_is_compared_before_the_source_is_fenced(string pulled, bool refused)
    {
        BeginWith("sha256:1");
        _world.Answer(Images(("sha256:1", "sha256:1"), (Tag, "")));
        await _world.ReconcileAsync();
        _world.All<V1Pod>().Single(p => p.Metadata.Name != "p").Spec.Containers.Single().Image.Should().Be(Tag);

        _world.Answer(Images((Tag, pulled)));
        _world.Answer(
            new GetRestoreResponse
            {
                Containers = { new ContainerRestore { ContainerName = "c", Phase = "Waiting" } },
            });
        await _world.ReconcileAsync();

        (_world.Condition(ConditionTypes.RolledBack)?.Reason == Reasons.ImageNotPresent).Should().Be(refused);
        _world.Condition(ConditionTypes.SourceFenced).Should().BeNull();
    }

    [TestCase(4L, 2990, false)]
    [TestCase(4L, 3000, true)]
    [TestCase(60L, 54_990, false)]
    [TestCase(60L, 55_000, true)]
    [TestCase(null, 200_000, false)]
    public async Task The_way_back_begins_while_the_probes_still_wait(long? allowed, int milliseconds, bool turned)
    {
        _world.HasCome(Fenced, Steps.Fence, Steps.Checkpoint);
        _world.Put(_world.Migration with { Status = _world.Status with { MaxFreezeSeconds = allowed } });
        _world.Time.Advance(TimeSpan.FromMilliseconds(milliseconds));

        await _world.ReconcileAsync();

        (_world.Condition(ConditionTypes.RolledBack)?.Reason == Reasons.TimedOut).Should().Be(turned);
        if (!turned)
        {
            return;
        }

        _world.Status.Message.Should().Contain($"its liveness probes allow {allowed} s, the way back included");
        _world.Answer(new CancelRestoreResponse());
        _world.Answer(new UnfenceResponse());
        await _world.ReconcileAsync();
        await _world.ReconcileAsync();

        _world.Events.Should().ContainSingle(e => e.Type == "Warning"
            && e.Reason == Outcomes.RolledBack
            && e.Message.StartsWith("Was to move to b by PodMigration n/m, and goes on here: "));
    }

    private static GetCapabilitiesResponse Images(params (string Reference, string Id)[] images) => new()
    {
        Images = { images.Select(image => new NodeImage { Reference = image.Reference, Id = image.Id }) },
    };

    private void BeginWith(string runs)
    {
        var pod = _world.All<V1Pod>().Single();
        _world.Put(pod with
        {
            Metadata = pod.Metadata with { Uid = Uid },
            Spec = pod.Spec with { Containers = [new V1Container { Name = "c", Image = Tag }] },
            Status = new V1PodStatus { Phase = "Running", ContainerStatuses =
            [
                new V1ContainerStatus { Name = "c", ImageID = runs, State = new() { Running = new() } },
            ] },
        });
        _world.HasCome([ConditionTypes.Validated], Steps.Receive);
        _world.Put(_world.Migration with
        {
            Metadata = _world.Migration.Metadata with { Uid = Uid },
            Status = _world.Status with { PodUID = Uid, RestoredPodUID = null },
        });
    }
}
