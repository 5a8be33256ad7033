using FluentAssertions;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Unit.Manager;

public sealed class ServiceSwitchTests
{
    private static readonly PodMigrationStatus Status =
        new() { PodUID = "old", RestoredPodUID = "new", RestoredPodName = "p-m1" };

    [TestCase(null, null, "does not lead to pod p-m1 yet")]
    [TestCase(true, null, "leads to the source and not to pod p-m1")]
    [TestCase(false, false, "leads to the source and not to pod p-m1")]
    [TestCase(false, true, "still lists the source")]
    [TestCase(null, false, "does not lead to pod p-m1 yet")]
    [TestCase(null, true, null)]
    public void Says_what_the_endpoints_lack(bool? source, bool? target, string? word)
    {
        var endpoints = new List<V1Endpoint> { Endpoint("sibling", true) };
        endpoints.AddRange(source is { } s ? [Endpoint("old", s)] : []);
        endpoints.AddRange(target is { } t ? [Endpoint("new", t)] : []);

        var missing = ServiceSwitch.Missing(endpoints, "web", Status);

        if (word is null)
        {
            missing.Should().BeNull();
        }
        else
        {
            missing.Should().Contain(word);
        }
    }

    [Test]
    public void A_Service_that_will_not_follow_the_pod_is_refused_with_what_is_in_the_way()
    {
        var pod = new V1Pod
        {
            Metadata = new V1ObjectMeta
            {
                Name = "p",
                NamespaceProperty = "ns",
                Labels = new Dictionary<string, string> { ["app"] = "web", ["tier"] = "a" },
            },
        };
        ServiceObstacles.Of(Service(("app", "web")), "web", pod).Should().BeNull();
        ServiceObstacles.Of(null, "web", pod).Should().Contain("does not exist in namespace ns");
        ServiceObstacles.Of(Service(), "web", pod).Should().Contain("no selector");
        ServiceObstacles.Of(Service(("app", "web"), ("tier", "b")), "web", pod)
            .Should().Contain("selects tier=b, which");
        var external = Service(("app", "web"));
        ServiceObstacles.Of(external with { Spec = external.Spec with { Type = "ExternalName" } }, "web", pod)
            .Should().Contain("no selector");
    }

    private static V1Service Service(params (string Key, string Value)[] selector) =>
        new() { Spec = new V1ServiceSpec { Selector = selector.ToDictionary(s => s.Key, s => s.Value) } };

    private static V1Endpoint Endpoint(string uid, bool ready) =>
        new() { TargetRef = new V1ObjectReference
        {
            Uid = uid,
        }, Conditions = new V1EndpointConditions { Ready = ready } };
}
