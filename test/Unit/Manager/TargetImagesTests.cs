using System.Text.Json;
using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

/// <summary>The target runs the very image that the source runs, or there is no migration.</summary>
public sealed class TargetImagesTests
{
    private const string Tag = "registry.example/shop/web:1";
    private const string Digest = "registry.example/shop/web@sha256:aa";

    [Test]
    public void The_name_stays_where_the_same_image_has_it() =>
        Choose(Pod(Tag, Digest), [Image(Digest, "sha256:1", Digest)], [Image(Tag, "sha256:1")])
            .Should().Be(new TargetImage("c", Tag, false, null), "imported or pulled, its id is the same");

    [Test]
    public void Where_the_tag_has_moved_or_nothing_is_there_yet_the_digest_names_what_runs()
    {
        var pinned = new TargetImage("c", Digest, false, null);
        Choose(Pod(Tag, Digest), [Image(Digest, "sha256:1")], [Image(Tag, "sha256:2"), Image(Digest, "")])
            .Should().Be(pinned);
        Choose(Pod(Tag, Digest), [Image(Digest, "sha256:1")], [Image(Tag, ""), Image(Digest, "")]).Should().Be(pinned);
        Choose(Pod(Tag, "docker-pullable://" + Digest), [Image(Digest, "sha256:1")], [Image(Tag, "")])
            .Should().Be(pinned);
        Choose(
            Pod(Tag, Digest, "Never"), [Image(Digest, "sha256:1")], [Image(Tag, "sha256:2"), Image(Digest, "sha256:1")])
            .Should().Be(pinned);
    }

    [Test]
    public void What_is_pulled_each_time_is_pulled_by_digest() =>
        Choose(Pod(Tag, Digest, "Always"),
        [
            Image(Digest, "sha256:1"),
        ], [Image(Tag, "sha256:1"), Image(Digest, "sha256:1")]).Image
            .Should().Be(Digest);

    [Test]
    public void What_is_not_there_and_may_not_be_pulled_is_refused()
    {
        Refused(Pod(Tag, Digest, "Never"), Image(
            Tag, ""),
            "does not have image registry.example/shop/web@sha256:aa of container c, whose imagePullPolicy is Never");
        Refused(Pod(Tag, Digest, "Never"), Image(Tag, "sha256:2"), "has another image under that name (sha256:2)");
        Refused(Pod(Tag, "sha256:1", "Never"), Image(
            Tag, ""), "does not have image registry.example/shop/web:1 of container c, whose imagePullPolicy is Never");
    }

    [Test]
    public void An_imported_image_is_told_by_its_id()
    {
        Choose(Pod(Tag, "sha256:1"), [], [Image(Tag, "sha256:1")]).Should().Be(new TargetImage("c", Tag, false, null));
        Choose(Pod(Tag, "1"), [Image("1", "1")], [Image(Tag, "1")]).Obstacle
            .Should().BeNull("CRI-O's ids have no prefix");
        Refused(
            Pod(Tag, "sha256:1"),
            Image(Tag, "sha256:2"),
            $"container c runs {Tag} as sha256:1, and node b has another image under that name (sha256:2); bring the "
                + "same one there");
    }

    [TestCase("IfNotPresent", "")]
    [TestCase("Always", "sha256:1")]
    public void What_only_a_pull_shows_is_compared_after_it(string policy, string there)
    {
        var source = Pod(Tag, "sha256:1", policy);
        var target = source with { Spec = source.Spec with { NodeName = "b" } };

        Choose(source, [], [Image(Tag, there)]).Should().Be(new TargetImage("c", Tag, true, null));
        TargetImages.Differing(source, target, [], [Image(Tag, "sha256:1")]).Should().BeNull();
        TargetImages.Differing(source, target, [], [Image(Tag, "sha256:2")])!
            .Reason.Should().Be(Reasons.ImageNotPresent);
    }

    [Test]
    public void A_digest_of_another_repository_is_not_asked_of_this_one()
    {
        const string Mirrored = "mirror.example/web@sha256:aa";
        Choose(Pod(Tag, Mirrored), [Image(Mirrored, "sha256:1")], [Image(Tag, "")]).Image.Should().Be(Tag);
        Choose(Pod(Tag, Mirrored), [], [Image(Tag, "sha256:9", "registry.example/shop/web@sha256:aa")]).IsUnsure
            .Should().BeFalse("its digest is the same");
    }

    [Test]
    public void What_a_later_container_needs_has_to_be_there_for_kubelet_looks_only_when_the_first_one_is_restored()
    {
        const string Side = "registry.example/shop/side:1";
        var pod = Pod(Tag, Digest);
        pod = pod with
        {
            Spec = pod.Spec with { Containers =
            [
                pod.Spec.Containers[0],
                new V1Container { Name = "d", Image = Side, More = Policy("Always") },
            ] },
            Status = pod.Status! with { ContainerStatuses =
            [
                pod.Status.ContainerStatuses![0],
                new V1ContainerStatus { Name = "d", ImageID = "sha256:2" },
            ] },
        };

        TargetImage D(params NodeImage[] there) =>
            TargetImages.Choose(pod, [], [Image(Tag, ""), .. there], "b").Single(image => image.Container == "d");

        D(Image(Side, "sha256:2")).Should().Be(
            new TargetImage("d", Side, false, null) { IsAtHand = true }, "it is not asked for again, either");
        D(Image(Side, "")).Obstacle!.Message.Should().Be(
            $"node b does not have image {Side} of container d, and would pull it only while the pod stands still; "
                + "bring it there");
    }

    [Test]
    public void A_pod_that_names_a_digest_keeps_it() =>
        Choose(Pod(Digest, Digest), [], [Image(Digest, "")]).Image.Should().Be(Digest);

    [Test]
    public void Of_an_agent_that_does_not_look_and_a_container_of_which_nothing_is_known_nothing_is_said()
    {
        TargetImages.Choose(Pod(Tag, Digest), [], [], "b").Should().BeEmpty();
        TargetImages.Choose(Pod(Tag, ""), [], [Image(Tag, "")], "b").Should().BeEmpty();
        TargetImages.AtSource(Pod(Tag, "")).Should().BeEmpty();
    }

    [Test]
    public void The_nodes_are_asked_for_what_decides()
    {
        TargetImages.AtSource(Pod(Tag, Digest)).Should().Equal(Digest);
        TargetImages.AtTarget(Pod(Tag, Digest)).Should().Equal(Tag, Digest);
        TargetImages.AtTarget(Pod(Tag, "sha256:1")).Should().Equal(Tag);
    }

    [TestCase("nginx", "docker.io/library/nginx")]
    [TestCase("nginx:1.2@sha256:aa", "docker.io/library/nginx")]
    [TestCase("docker.io/nginx:1", "docker.io/library/nginx")]
    [TestCase("someone/nginx:1", "docker.io/someone/nginx")]
    [TestCase("localhost/nginx:1", "localhost/nginx")]
    [TestCase("registry:5000/nginx", "registry:5000/nginx")]
    [TestCase("registry.example/a/b/nginx:1", "registry.example/a/b/nginx")]
    public void Names_are_compared_spelled_out(string image, string repository) =>
        TargetImages.RepositoryOf(image).Should().Be(repository);

    private static void Refused(V1Pod pod, NodeImage there, string why) =>
        Choose(pod, [], [there]).Obstacle.Should().Match<Obstacle>(o =>
            o.Reason == Reasons.ImageNotPresent && o.Message.Contains(why));

    private static TargetImage Choose(V1Pod pod, NodeImage[] here, NodeImage[] there) =>
        TargetImages.Choose(pod, here, there, "b").Single();

    private static NodeImage Image(string reference, string id, params string[] digests) =>
        new() { Reference = reference, Id = id, RepoDigests = { digests } };

    private static V1Pod Pod(string image, string runs, string policy = "IfNotPresent") => new()
    {
        Spec = new V1PodSpec
        {
            Containers =
            [
                new V1Container { Name = "c", Image = image, More = Policy(policy) },
            ],
        },
        Status = new V1PodStatus { ContainerStatuses = [new V1ContainerStatus { Name = "c", ImageID = runs }] },
    };

    private static Dictionary<string, JsonElement> Policy(
        string policy) => new() { ["imagePullPolicy"] = JsonSerializer.SerializeToElement(policy) };
}
