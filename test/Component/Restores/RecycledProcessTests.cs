using System.Diagnostics;
using FluentAssertions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Restores;

namespace PodCheckpointing.Component.Restores;

/// <summary>The folders of restores outlive a boot, and processes do not: another one may have the number.</summary>
internal sealed class RecycledProcessTests
{
    private string _root = null!;
    private string _folder = null!;
    private Process _stranger = null!;

    [SetUp]
    public void Prepare()
    {
        _root = Directory.CreateTempSubdirectory("pod-checkpointing-recycled").FullName;
        _folder = Directory.CreateDirectory(Path.Combine(_root, "restores/u1/app")).FullName;
        _stranger = Process.Start("sleep", "1000");
        File.WriteAllText(In("lazy"), "\n");
        File.WriteAllText(In("restored"), "1\n2\n");
        File.WriteAllText(In("running"), "3\n");
    }

    [TearDown]
    public void Clean()
    {
        _stranger.Kill();
        _stranger.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [TestCase("{pid}")]
    [TestCase("{pid} 01234567-89ab-cdef-0123-456789abcdef {start}")]
    [TestCase("{pid} {boot} 1")]
    [TestCase("")]
    [TestCase("{pid} {boot} ")]
    public async Task Nobody_is_killed_for_a_number_and_the_agent_starts(string text)
    {
        var stat = await File.ReadAllTextAsync($"/proc/{_stranger.Id}/stat");
        var line = text.Replace("{pid}", $"{_stranger.Id}")
            .Replace("{boot}", (await File.ReadAllTextAsync("/proc/sys/kernel/random/boot_id")).Trim())
            .Replace("{start}", stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19]);
        await File.WriteAllTextAsync(In("pid"), line + "\n");
        await File.WriteAllTextAsync(In("lazy-pid"), line + "\n");
        using var guard = new PageGuard(
            Options.Create(new AgentOptions { StateRoot = _root }), TimeProvider.System,
            NullLogger<PageGuard>.Instance);

        await guard.StartAsync(CancellationToken.None);
        await guard.ExecuteTask!;

        using (var end = Process.Start("kill", ["-TERM", $"{_stranger.Id}"]))
        {
            await end.WaitForExitAsync();
        }

        await _stranger.WaitForExitAsync();
        _stranger.ExitCode.Should().Be(128 + 15, "it lived until the test ended it");
        new ContainerRestoreFolder(_folder).State().Should().Match<PodCheckpointing.Api.Protos.ContainerRestore>(
            s => s.Phase == "Failed" && s.Message.Contains("not all pages"));
    }

    private string In(string name) => Path.Combine(_folder, name);
}
