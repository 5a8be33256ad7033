using FluentAssertions;
using Grpc.Core;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Unit.Agent;

internal sealed class AddressHoldsTests
{
    [Test]
    public void Both_directions_of_each_address_are_held_by_the_tool_of_its_family() =>
        AddressHolds.Rules("m1", ["10.0.0.5", "fd00::5"], "hold").Split('\n').Where(l => l.StartsWith("hold ", StringComparison.Ordinal)).Should().Equal(
            "hold iptables -s 10.0.0.5 || exit 1", "hold iptables -d 10.0.0.5 || exit 1",
            "hold ip6tables -s fd00::5 || exit 1", "hold ip6tables -d fd00::5 || exit 1");

    [TestCase("m1", "10.0.0.5; reboot")]
    [TestCase("m1", "")]
    [TestCase("m1; reboot", "10.0.0.5")]
    [TestCase("../m1", "10.0.0.5")]
    public async Task What_is_no_uid_or_no_address_comes_into_no_script(string holder, string address)
    {
        using var holds = new AddressHolds(Options.Create(new AgentOptions { StateRoot = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()) }));

        var holding = () => holds.HoldAsync(holder, [address], CancellationToken.None);

        await holding.Should().ThrowAsync<RpcException>().Where(e => e.StatusCode == StatusCode.InvalidArgument);
    }

    [TestCase("""{"pid":7,"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"},{"type":"network","path":"/var/run/netns/cni-1"}]}}}""", "/var/run/netns/cni-1")]
    [TestCase("""{"runtimeSpec":{"linux":{"namespaces":[{"type":"network"}]}}}""", "")]
    [TestCase("""{"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"}]}}}""", "")]
    [TestCase("""{"pid":7}""", "")]
    public void The_sandboxs_network_is_read_from_what_the_runtime_tells(string info, string path) =>
        ContainerRuntime.NetworkNamespaceIn(info).Should().Be(path);
}
