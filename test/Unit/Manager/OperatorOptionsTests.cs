using FluentAssertions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Manager;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Unit.Manager;

/// <summary>What an operator refuses to start with, and how it finds agents.</summary>
public sealed class OperatorOptionsTests
{
    [TestCase("Retention:MaxPerPod", "0")]
    [TestCase("Retention:MaxAge", "00:00:00")]
    [TestCase("Retention:Interval", "00:00:00")]
    [TestCase("Migrations:ParallelPerCluster", "0")]
    [TestCase("BytesPatience", "-01:00:00")]
    [TestCase("AgentPort", "0")]
    [TestCase("HealthPort", "65536")]
    public void A_setting_that_would_remove_or_stop_everything_is_refused(string name, string value)
    {
        var refused = () => Read((name, value));

        refused.Should().Throw<OptionsValidationException>().Which.Message.Should().Contain(name.Split(':')[^1]);
    }

    [Test]
    public void Retention_has_no_limits_by_itself() => Read().Retention.MaxPerPod.Should().BeNull();

    [TestCase("192.0.2.1", "https://192.0.2.1:50051")]
    [TestCase("fd00::5", "https://[fd00::5]:50051")]
    public void An_agent_has_an_address_of_either_family(string address, string endpoint) =>
        AgentDirectory.EndpointOf(address, 50051).Should().Be(endpoint);

    private static OperatorOptions Read(params (string Name, string Value)[] settings)
    {
        var all = settings.Select(s => KeyValuePair.Create($"{OperatorOptions.Section}:{s.Name}", (string?)s.Value))
            .Concat(new[] { "TlsCertificate", "TlsKey", "TlsCa" }.Select(
                n => KeyValuePair.Create($"{OperatorOptions.Section}:{n}", (string?)"/file")));
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(all).Build());
        services.AddOptions<OperatorOptions>().BindConfiguration(OperatorOptions.Section).ValidateDataAnnotations();
        using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<IOptions<OperatorOptions>>().Value;
    }
}
