using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Unit.Api;

internal sealed class PodAddressTests
{
    [TestCase("""["10.0.0.5"]""", true, "10.0.0.5")]
    [TestCase("""["10.0.0.5", "fd00::5"]""", true, "10.0.0.5", "fd00::5")]
    [TestCase("""["10.0.0.5"]""", false, "10.0.0.5", "fd00::5")]
    [TestCase("""["10.0.0.6"]""", false, "10.0.0.5")]
    [TestCase("""["10.0.0.5"]""", false)]
    [TestCase("10.0.0.5", false, "10.0.0.5")]
    [TestCase("{}", false, "10.0.0.5")]
    [TestCase("null", false, "10.0.0.5")]
    [TestCase(null, false, "10.0.0.5")]
    public void Is_kept_where_the_pod_asks_for_each_that_it_has(string? asks, bool kept, params string[] has)
    {
        var pod = Pod(has, asks is null ? [] : [(PodAddress.OwnAddresses, asks)]);

        PodAddress.IsKept(pod).Should().Be(kept);
        PodAddress.Obstacles(pod, TcpPolicies.Close).Should().BeEmpty();
        PodAddress.Obstacles(pod, TcpPolicies.Established).Should().HaveCount(kept ? 0 : 1);
    }

    [Test]
    public void One_that_the_network_gives_only_once_stands_in_the_way_under_every_policy()
    {
        var pod = Pod(["10.0.0.5"], [("cni.projectcalico.org/ipAddrs", """["10.0.0.5"]""")]);

        PodAddress.Obstacles(pod, tcpPolicy: null).Should().ContainSingle().Which.Should().Contain("ipAddrsNoIpam");
        MigrationObstacles.Of(new PodMigrationSpec { TcpPolicy = TcpPolicies.Established }, pod).Should().HaveCount(2)
            .And.OnlyContain(o => o.Reason == Reasons.AddressNotKept);
    }

    private static V1Pod Pod(string[] addresses, (string Name, string Value)[] annotations) => new()
    {
        Metadata = new V1ObjectMeta { Name = "web", Annotations = annotations.ToDictionary(a => a.Name, a => a.Value) },
        Status = new V1PodStatus
        {
            PodIP = addresses.FirstOrDefault(),
            PodIPs = [.. addresses.Select(a => new V1PodIP { Ip = a })],
        },
    };
}
