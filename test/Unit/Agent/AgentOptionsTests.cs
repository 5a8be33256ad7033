using System.ComponentModel.DataAnnotations;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent;

namespace PodCheckpointing.Unit.Agent;

public sealed class AgentOptionsTests
{
    [TestCase(null, "node-a")]
    [TestCase("other", "other")]
    [TestCase("{node}.example", "node-a.example")]
    [TestCase("kubelet-{node}", "kubelet-node-a")]
    [TestCase("10.0.0.1", "10.0.0.1")]
    public void Kubelets_name_is_the_nodes_or_made_of_it(string? setting, string name)
    {
        var options = Of(setting);

        options.ExpectedKubeletName.Should().Be(name);
        Faults(options).Should().BeEmpty();
    }

    [TestCase("{nodes}.example")]
    [TestCase("{node.example")]
    [TestCase("{node}{node}")]
    [TestCase("https://node-a")]
    public void A_pattern_that_can_be_no_name_is_told_with_one_that_can(string setting) =>
        Faults(Of(setting))
            .Should().ContainSingle().Which.Should().StartWith("Agent:KubeletName is").And.Contain("{node}.example");

    [TestCase(null, true)]
    [TestCase("", true)]
    [TestCase("10.0.0.11", true)]
    [TestCase("fd00::11", true)]
    [TestCase("node-a", false)]
    [TestCase("10.0.0.11:50053", false)]
    public void An_address_to_listen_on_is_one_or_told_with_its_value(string? address, bool isOne)
    {
        var options = Of(null);
        options.ListenAddress = address;

        Faults(options).Should().Equal(isOne
            ? []
            : [$"Agent:ListenAddress is an IP address of the node, as 10.0.0.11, and not {address}; without it: every "
                + "address"]);
    }

    private static AgentOptions Of(string? kubeletName) =>
        new()
        {
            NodeName = "node-a",
            KubeletName = kubeletName,
            KubeletCa = "ca",
            TlsCertificate = "c",
            TlsKey = "k",
            TlsClientCa = "ca",
        };

    private static IEnumerable<string?> Faults(AgentOptions options)
    {
        var found = new List<ValidationResult>();
        Validator.TryValidateObject(options, new ValidationContext(options), found, validateAllProperties: true);
        return found.Select(fault => fault.ErrorMessage);
    }
}
