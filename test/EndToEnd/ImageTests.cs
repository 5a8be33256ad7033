using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.EndToEnd;

/// <summary>The target goes on over the image that ran at the source, or there is no migration.</summary>
[TestFixture]
public sealed class ImageTests : SharedBenchTests
{
    [Test]
    public async Task An_image_that_the_target_cannot_pull_ends_the_migration_at_once_and_nothing_stood_still()
    {
        await TagAsync("node-a", "python", "only");
        await StartAsync(
            Pod("only", Counter("c").Replace("localhost/python:1", "localhost/only:1", StringComparison.Ordinal)));
        await MigrateAsync("only", "only", "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", "only", "{.status.conditions[?(@.type==\"Ready\")].reason}"))
            .Should().Be("ImageNotPulled");
        (await Cluster.GetAsync("podmigration", "only", "{.status.message}"))
            .Should().Contain("ImagePullBackOff").And.Contain("localhost/only:1");
        (await Cluster.GetAsync("podmigration", "only", "{.status.outcome}")).Should().Be("RolledBack");
        (await Cluster.GetAsync("podmigration", "only", "{.status.conditions[?(@.type==\"SourceFenced\")].status}"))
            .Should().BeEmpty();
        await OneCopyGoesOnAsync("only");
    }

    [Test]
    public async Task An_image_that_would_be_pulled_while_the_pod_stands_still_is_asked_for_before()
    {
        await TagAsync("node-a", "python", "second");
        await StartAsync(Pod("second", Counter("c"), Counter("d").Replace(
            "localhost/python:1", "localhost/second:1", StringComparison.Ordinal)));
        await MigrateAsync("second", "second", "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", "second", "{.status.conditions[?(@.type==\"Ready\")].reason}"))
            .Should().Be("ImageNotPresent");
        (await Cluster.GetAsync("podmigration", "second", "{.status.message}")).Should().Contain("container d");
        (await Cluster.GetAsync("podmigration", "second", "{.status.conditions[?(@.type==\"SourceFenced\")].status}"))
            .Should().BeEmpty();
        await OneCopyGoesOnAsync("second");
    }

    [Test]
    public async Task Another_image_under_the_same_name_is_refused()
    {
        await TagAsync("node-a", "python", "moved");
        await TagAsync("node-b", "busybox", "moved");
        await StartAsync(
            Pod("moved", Counter("c").Replace("localhost/python:1", "localhost/moved:1", StringComparison.Ordinal)));
        await MigrateAsync("moved", "moved", "node-b", "Failed");

        (await Cluster.GetAsync("podmigration", "moved", "{.status.conditions[?(@.type==\"Ready\")].reason}"))
            .Should().Be("ImageNotPresent");
        (await Cluster.GetAsync("podmigration", "moved", "{.status.message}")).Should().MatchRegex(
            "container c runs localhost/moved:1 as .*, and node node-b has another image under that name");
        (await Cluster.KubectlAsync("get", "pods", "-o", "name"))
            .Should().NotContain("pod/moved-m", "no target was made");
        await OneCopyGoesOnAsync("moved");
    }

    private Task TagAsync(string node, string image, string name) =>
        Cluster.OnNodeAsync(node, $"ctr -n k8s.io images tag localhost/{image}:1 localhost/{name}:1");
}
