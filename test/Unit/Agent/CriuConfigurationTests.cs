using FluentAssertions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Fences;

namespace PodCheckpointing.Unit.Agent;

/// <summary>The administrator's options for CRIU are changed for a dump and put back.</summary>
internal sealed class CriuConfigurationTests
{
    private const string Mine = "tcp-close\nmine\n";
    private static readonly FenceRecord Fence = new("u1", "m1", "Close", default);
    private string _folder = null!;
    private string _path = null!;
    private CriuConfiguration _criu = null!;

    [SetUp]
    public void Begin()
    {
        _folder = Directory.CreateTempSubdirectory("criu").FullName;
        _path = Path.Combine(_folder, "crun.conf");
        File.WriteAllText(_path, Mine);
        File.SetUnixFileMode(_path, (UnixFileMode)0b110_100_100);
        _criu = New();
    }

    [TearDown]
    public void End()
    {
        _criu.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task Whoever_reads_them_at_any_moment_reads_all_of_them()
    {
        using var before = new StreamReader(_path);

        await _criu.WithAsync(
            Fence,
            async () =>
            {
                (await before.ReadToEndAsync()).Should().Be(Mine, "nobody writes into a file that somebody reads");
                (await File.ReadAllTextAsync(_path)).Should().StartWith(Mine).And.Contain("leave-stopped");
                File.GetUnixFileMode(_path).Should().Be((UnixFileMode)0b110_100_100);
                return true;
            },
            CancellationToken.None);

        AsTheyWere();
    }

    [Test]
    public async Task The_next_agent_puts_them_back()
    {
        await _criu.WithAsync(
            Fence,
            () =>
            {
                using var next = New();
                next.Recover();
                AsTheyWere();
                File.WriteAllText(_path + ".pod-checkpointing-saved", Mine);
                return Task.FromResult(true);
            },
            CancellationToken.None);
        File.Exists(_path + ".pod-checkpointing-saved").Should().BeFalse();
    }

    private CriuConfiguration New() => new(Options.Create(new AgentOptions { CriuConfig = _path }));

    private void AsTheyWere()
    {
        File.ReadAllText(_path).Should().Be(Mine);
        File.GetUnixFileMode(_path).Should().Be((UnixFileMode)0b110_100_100);
        Directory.GetFiles(_folder).Should().Equal(_path);
    }
}
