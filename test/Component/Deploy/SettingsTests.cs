using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Manager;
using PodCheckpointing.Storage.Tool;

namespace PodCheckpointing.Component.Deploy;

/// <summary>A setting that nobody knows must not be passed over: whoever misspells a limit
/// would believe that it holds.</summary>
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
        var (code, _, errors) = await RunAsync(options, argument);

        code.Should().NotBe(0);
        errors.Should().Contain($"'{key}'");
    }

    [TestCase(typeof(OperatorOptions))]
    [TestCase(typeof(AgentOptions))]
    [TestCase(typeof(StoreCommand))]
    public async Task A_program_tells_its_version_without_any_setting(Type ofTheProgram)
    {
        ArgumentNullException.ThrowIfNull(ofTheProgram);
        var (code, said, errors) = await RunAsync(ofTheProgram, "--version");

        (code, errors).Should().Be((0, ""));
        said.Should().MatchRegex(@"^[0-9]+\.[0-9]+\.[0-9]+(\+[0-9a-f]{40})?\n$");
    }

    private static async Task<(int Code, string Said, string Errors)> RunAsync(Type ofTheProgram, string argument)
    {
        using var program = Process.Start(new ProcessStartInfo("dotnet", [ofTheProgram.Assembly.Location, argument])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        })!;
        var (errors, said) = (program.StandardError.ReadToEndAsync(), program.StandardOutput.ReadToEndAsync());
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

        return (program.ExitCode, await said, await errors);
    }
}
