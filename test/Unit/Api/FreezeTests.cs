using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Api;

[TestFixture]
public sealed class FreezeTests
{
    [TestCase("{}", 20)]
    [TestCase("""{"periodSeconds":1}""", 2)]
    [TestCase("""{"failureThreshold":1,"periodSeconds":60}""", 0)]
    [TestCase("""{"failureThreshold":5,"periodSeconds":4,"timeoutSeconds":9}""", 16)]
    [TestCase("""{"failureThreshold":2147483647,"periodSeconds":10}""", 30 * 24 * 3600)]
    [TestCase("""{"failureThreshold":2147483647,"periodSeconds":2147483647}""", 30 * 24 * 3600)]
    public void A_liveness_probe_bounds_the_freeze(string probe, int seconds) =>
        Freeze.AllowedFor(Pod(Container("c", probe))).Should().Be(TimeSpan.FromSeconds(seconds));

    [Test]
    public void The_strictest_probe_counts_and_a_sidecars_too()
    {
        var pod = Pod(Container("a", "{}"), Container("b", null));
        var sidecar = Container("s", """{"periodSeconds":3}""") with { RestartPolicy = "Always" };

        Freeze.AllowedFor(pod with { Spec = pod.Spec with { InitContainers = [sidecar] } })
            .Should().Be(TimeSpan.FromSeconds(6));
    }

    [Test]
    public void Without_a_probe_there_is_no_bound() => Freeze.AllowedFor(Pod(Container("c", null))).Should().BeNull();

    [TestCase(
        """{"periodSeconds":1,"failureThreshold":2}""",
        "livenessProbe of container \"c\" (failureThreshold 2, periodSeconds 1) lets it stand still for 1 s, and a "
            + "migration takes up to 2 s; raise failureThreshold or periodSeconds")]
    [TestCase(
        """{"failureThreshold":1}""",
        "livenessProbe of container \"c\" (failureThreshold 1, periodSeconds 10) lets it stand still for 0 s, and a "
            + "migration takes up to 2 s; raise failureThreshold or periodSeconds")]
    [TestCase("""{"periodSeconds":1,"failureThreshold":3}""", null)]
    [TestCase("""{"periodSeconds":2,"failureThreshold":2}""", null)]
    public void A_probe_that_no_migration_can_meet_is_refused_by_name(string probe, string? message) =>
        PodObstacles.Of(Pod(Container("easy", "{}"), Container("c", probe)))
            .Where(o => o.Reason == Reasons.FreezeTooShort)
            .Select(o => o.Message)
            .Should().Equal(message is null ? [] : [message]);

    [TestCase(2, 1.5)]
    [TestCase(8, 6)]
    [TestCase(20, 15)]
    [TestCase(60, 55)]
    public void Some_of_it_is_for_the_way_back(double longest, double usable) =>
        Freeze.Usable(TimeSpan.FromSeconds(longest)).Should().Be(TimeSpan.FromSeconds(usable));

    [Test]
    public void What_there_is_to_write_takes_its_time()
    {
        Freeze.LeastFor(0).Should().Be(Freeze.Least);
        Freeze.LeastFor(8UL << 30).Should().Be(Freeze.Least);
        Freeze.LeastFor(40UL << 30).Should().Be(TimeSpan.FromSeconds(10));
    }

    [TestCase(0UL, 2)]
    [TestCase(1UL << 30, 2)]
    [TestCase(20UL << 30, 40)]
    public void A_snapshot_that_nobody_can_end_is_expected_to_take_what_it_was_seen_to_take(ulong bytes, int seconds) =>
        Freeze.OfSnapshot(bytes).Should().Be(TimeSpan.FromSeconds(seconds));

    private static V1Pod Pod(
        params V1Container[] containers) => new() { Spec = new V1PodSpec { Containers = containers } };

    // As the API server sends it.
    private static V1Container Container(string name, string? probe) => KubernetesJson.Deserialize<V1Container>(
        probe is null ? $$"""{"name":"{{name}}"}""" : $$"""{"name":"{{name}}","livenessProbe":{{probe}} }""");
}
