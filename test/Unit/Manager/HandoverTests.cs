using System.Text.Json;
using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

public sealed class HandoverTests
{
    private const string Uid = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

    private static readonly V1OwnerReference Owner = new()
    {
        ApiVersion = "apps/v1",
        Kind = "ReplicaSet", Name = "web-5d", Uid = "rs", Controller = true, BlockOwnerDeletion = true,
    };

    [Test]
    public void A_waiting_target_of_a_Deployment_has_all_labels_but_the_one_that_its_ReplicaSet_would_adopt_it_by()
    {
        var target = Target(Source());

        target.Metadata.Labels
            .Should().BeEquivalentTo(
                new Dictionary<string, string> { ["app"] = "web", [WellKnown.MigrationUid] = Uid });
        target.Metadata.OwnerReferences.Should().BeNull();
        target.Metadata.Annotations.Should().Contain(WellKnown.DeletionCost, "7");
        Handover.IsDue(target).Should().BeTrue();
    }

    [TestCase("web")]
    [TestCase("web-6e")]
    public void A_waiting_target_of_a_ReplicaSet_without_a_Deployment_matches_no_selector_at_all(string set)
    {
        var source = Source();
        var target =
            Target(source with { Metadata = source.Metadata with { OwnerReferences = [Owner with { Name = set }] } });

        target.Metadata.Labels.Should().Equal(new Dictionary<string, string> { [WellKnown.MigrationUid] = Uid });
        target.Metadata.OwnerReferences.Should().BeNull();
    }

    [TestCase("web-5d", false)]
    [TestCase("web", true)]
    public void Readiness_gates_that_nobody_would_open_are_refused(string set, bool refused)
    {
        var source = Source();
        var gated = source with
        {
            Metadata = source.Metadata with { OwnerReferences = [Owner with { Name = set }] },
            Spec = source.Spec with { More = new() { ["readinessGates"] = JsonSerializer.SerializeToElement(
                new[] { new { conditionType = "lb.example/ready" } }) } },
        };

        PodObstacles.Of(gated).Any(o => o.Reason == Reasons.PodNotMigratable
            && o.Message.Contains("waits for lb.example/ready", StringComparison.Ordinal)).Should().Be(refused);
    }

    [Test]
    public void What_a_source_was_offered_with_is_not_taken_along([Values(null, "7")] string? own)
    {
        var source = Source();
        var annotations = own is null ? [] : new Dictionary<string, string> { [WellKnown.DeletionCost] = own };
        var before = source with { Metadata = source.Metadata with { Annotations = annotations } };
        var offered = Handover.Offered(before)["annotations"]!.Deserialize<Dictionary<string, string>>()!;

        Handover.AnnotationsOf(source with { Metadata = source.Metadata with { Annotations = offered } })
            .Should().BeEquivalentTo(annotations);
    }

    [Test]
    public void A_label_that_the_source_has_lost_meanwhile_goes_from_the_target_too()
    {
        var source = Source();

        var patch = Handover.PatchFor(Target(source), source with
        {
            Metadata =
                source.Metadata with { Labels = new Dictionary<string, string> { ["pod-template-hash"] = "5d" } },
        });

        patch["labels"]!.AsObject().Should().ContainKey("app").WhoseValue.Should().BeNull();
        patch["labels"]!.AsObject().Should().NotContainKey(WellKnown.MigrationUid);
    }

    [Test]
    public void A_target_of_a_pod_without_a_controller_has_its_labels_from_the_beginning()
    {
        var alone = Source();
        var target = Target(alone with { Metadata = alone.Metadata with { OwnerReferences = null } });

        target.Metadata.Labels.Should().Contain("app", "web");
        Handover.IsDue(target).Should().BeFalse();
    }

    [TestCase(true)]
    [TestCase(false)]
    public void One_write_hands_labels_and_owner_over_whether_the_source_is_still_there_or_not(bool there)
    {
        var source = Source();
        var patch = Handover.PatchFor(Target(source), there ? source : null);

        patch["annotations"]!.AsObject()
            .Should().ContainKey(WellKnown.Handover).WhoseValue.Should().BeNull("it is done with this write");
        patch["labels"]!.Deserialize<Dictionary<string, string>>()
            .Should().Equal(
                new Dictionary<string, string> { ["app"] = "web", ["pod-template-hash"] = "5d" },
                "the old migration's mark stays behind");
        var owner = patch["ownerReferences"]!.AsArray().Should().ContainSingle().Subject!;
        owner["uid"]!.GetValue<string>().Should().Be("rs");
        owner["controller"]!.GetValue<bool>().Should().BeTrue();
    }

    [Test]
    public void A_target_that_waits_is_kept_from_Argo_CD_which_prunes_what_has_its_label_and_no_owner(
        [Values] bool sourceIsThere, [Values(null, "ServerSideDiff=true")] string? own)
    {
        const string Compare = "argocd.argoproj.io/compare-options";
        const string Sync = "argocd.argoproj.io/sync-options";
        var source = Source();
        if (own is not null)
        {
            source.Metadata.Annotations![Compare] = own;
        }

        var target = Target(source);
        var patch = Handover.PatchFor(target, sourceIsThere ? source : null)["annotations"]!.AsObject();

        target.Metadata.Annotations.Should().Contain(Compare, "IgnoreExtraneous").And.Contain(Sync, "Prune=false");
        patch.Should().ContainKeys(Compare, Sync);
        (patch[Compare]?.GetValue<string>()).Should().Be(own, "the source has it so");
        (patch[Sync]?.GetValue<string>()).Should().BeNull();
        Target(source with { Metadata = source.Metadata with { OwnerReferences = null } }).Metadata.Annotations!.Keys
            .Should().NotContain(Sync, "a pod without a controller is its user's, in Git or not");
    }

    [Test]
    public void What_has_changed_at_the_source_meanwhile_is_what_is_handed_over()
    {
        var source = Source();
        var target = Target(source);
        var released = source with
        {
            Metadata = source.Metadata with { Labels = new Dictionary<string, string>
            {
                ["app"] = "debug",
            }, OwnerReferences = null },
        };

        var patch = Handover.PatchFor(target, released);

        patch["labels"]!.Deserialize<Dictionary<string, string>>()
            .Should().Equal(new Dictionary<string, string> { ["app"] = "debug" });
        patch["ownerReferences"]!.AsArray().Should().BeEmpty();
    }

    [Test]
    public void A_source_is_offered_when_it_costs_least_or_nobody_owns_it()
    {
        var source = Source();
        Handover.IsOffered(source).Should().BeFalse();
        Handover.IsOffered(source with { Metadata = source.Metadata with { OwnerReferences = null } })
            .Should().BeTrue();
        Handover.IsOffered(source with
        {
            Metadata = source.Metadata with
            {
                Annotations = new Dictionary<string, string> { [WellKnown.DeletionCost] = Handover.LowestCost },
            },
        }).Should().BeTrue();
    }

    private static V1Pod Target(V1Pod source)
    {
        var migration =
            new PodMigration { Metadata = new V1ObjectMeta { Name = "m", NamespaceProperty = "ns", Uid = Uid } };
        return TargetPod.From(
            source, new MigrationScope(migration, null, () => { }, DateTime.UnixEpoch), "shared://u/c", []);
    }

    private static V1Pod Source() => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = "web-5d-x", NamespaceProperty = "ns", Uid = "u",
            Labels = new Dictionary<string, string>
            {
                ["app"] = "web",
                ["pod-template-hash"] = "5d",
                [WellKnown.MigrationUid] = "an-earlier-one",
            },
            Annotations = new Dictionary<string, string> { [WellKnown.DeletionCost] = "7" },
            OwnerReferences = [Owner],
        },
        Spec = new V1PodSpec { NodeName = "a", Containers = [new V1Container { Name = "c" }] },
    };
}
