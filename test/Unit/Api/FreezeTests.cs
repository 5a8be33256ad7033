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
    public void A_liveness_probe_bounds_the_freeze(string probe, int seconds) =>
        Freeze.LongestOf(Pod(Container("c", probe))).Should().Be(TimeSpan.FromSeconds(seconds));

    [Test]
    public void The_tightest_probe_counts_and_a_sidecars_too()
    {
        var pod = Pod(Container("a", "{}"), Container("b", null));
        var sidecar = Container("s", """{"periodSeconds":3}""") with { RestartPolicy = "Always" };

        Freeze.LongestOf(pod with { Spec = pod.Spec with { InitContainers = [sidecar] } }).Should().Be(TimeSpan.FromSeconds(6));
    }

    [Test]
    public void Without_a_probe_there_is_no_bound() => Freeze.LongestOf(Pod(Container("c", null))).Should().BeNull();

    private static V1Pod Pod(params V1Container[] containers) => new() { Spec = new V1PodSpec { Containers = containers } };

    // As the API server sends it.
    private static V1Container Container(string name, string? probe) => KubernetesJson.Deserialize<V1Container>(
        probe is null ? $$"""{"name":"{{name}}"}""" : $$"""{"name":"{{name}}","livenessProbe":{{probe}} }""");
}
