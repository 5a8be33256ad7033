using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Manager;

namespace PodCheckpointing.Component.Deploy;

/// <summary>A setting that nobody knows must not be passed over: whoever misspells a limit would believe that it holds.</summary>
[TestFixture]
internal sealed class SettingsTests
{
    [TestCase(typeof(OperatorOptions), "--Operator:BytePatience=00:01:00", "BytePatience")]
    [TestCase(typeof(OperatorOptions), "--Operator:Retention:MaxPerPods=5", "MaxPerPods")]
    [TestCase(typeof(AgentOptions), "--Agent:KubletName=a", "KubletName")]
    [TestCase(typeof(AgentOptions), "--Agent:Images:Retrys=3", "Retrys")]
    public async Task A_misspelt_setting_stops_the_program_and_is_named(Type options, string argument, string key)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var program = Process.Start(new ProcessStartInfo("dotnet", [options.Assembly.Location, argument])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        var (said, _) = (program.StandardError.ReadToEndAsync(), program.StandardOutput.ReadToEndAsync());
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.CurrentContext.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(180));
        try
        {
            await program.WaitForExitAsync(limit.Token);
        }
        finally
        {
            program.Kill(entireProcessTree: true);
        }

        program.ExitCode.Should().NotBe(0);
        (await said).Should().Contain($"'{key}'");
    }
}
