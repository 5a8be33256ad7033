using System.Diagnostics;
using FluentAssertions;
using Grpc.Core;
using NUnit.Framework;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>Whether restored processes run is decided once: who asks for the opposite later is told so.</summary>
public sealed class RestoreVerdictTests : StoreFolder
{
    private const string Target = "0b0f9a3e-52f1-4a6e-8d8c-3f5a0e0b7f11";
    private RestoreRelease _release = null!;

    [SetUp]
    public void Stand_as_the_handler_leaves_it()
    {
        _release = StagingParts.Release(Store, Out);
        Directory.CreateDirectory(Folder("c"));
        File.WriteAllText(Folder("members"), "c\n");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task What_was_withdrawn_in_time_never_runs(bool unlessRun)
    {
        await _release.ReleaseAsync(Target, CancellationToken.None);

        (await _release.CancelAsync(Target, "too late", unlessRun, CancellationToken.None)).Should().BeFalse();
        (await _release.CancelAsync(Target, "again", unlessRun, CancellationToken.None)).Should().BeFalse();

        new FileInfo(Folder("verdict")).LinkTarget.Should().Be("Cancelled");
        var release = () => _release.ReleaseAsync(Target, CancellationToken.None);
        (await release.Should().ThrowAsync<RpcException>()).Which.StatusCode.Should().Be(StatusCode.FailedPrecondition);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task What_runs_is_not_withdrawn(bool unlessRun)
    {
        using var process = Process.Start("sleep", "1000");
        try
        {
            File.WriteAllText(Folder("c/pid"), $"{process.Id}\n");
            File.WriteAllText(Folder("c/started"), "");
            await _release.ReleaseAsync(Target, CancellationToken.None);

            (await _release.CancelAsync(Target, "too late", unlessRun, CancellationToken.None)).Should().BeTrue();

            File.Exists(Folder("c/running")).Should().BeTrue();
            File.Exists(Folder("failed")).Should().Be(!unlessRun);
        }
        finally
        {
            process.Kill();
        }
    }

    private string Folder(string name) => Path.Combine(Out, "restores", Target, name);
}
