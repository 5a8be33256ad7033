using FluentAssertions;
using NUnit.Framework;

namespace PodCheckpointing.Component.Api;

/// <summary>One real API server with our definitions, for all tests of this folder.</summary>
[SetUpFixture]
public sealed class ApiCluster
{
    internal static ControlPlane Server { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(180));
        Server = await ControlPlane.StartAsync(deadline.Token);
        await Server.InstallDefinitionsAsync();
    }

    [OneTimeTearDown]
    public void Stop() => Server?.Dispose();

    /// <summary>Applies one document of a sample; one marked so goes to the status.</summary>
    internal static Task<(int Code, string Output)> ApplyAsync(string document) => Server.KubectlAsync(
        document,
        Samples.IsStatus(document)
            ? ["apply", "--server-side", "--subresource=status", "-f", "-"]
            : ["apply", "-f", "-"]);

    /// <summary>Applies documents that must be accepted.</summary>
    internal static async Task AcceptAsync(IEnumerable<string> documents)
    {
        foreach (var document in documents)
        {
            var (code, output) = await ApplyAsync(document);
            code.Should().Be(0, output);
        }
    }
}
