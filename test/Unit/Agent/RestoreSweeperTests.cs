using FluentAssertions;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using NUnit.Framework;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Unit.Agent;

public sealed class RestoreSweeperTests
{
    private string _root = null!;
    private RestoreSweeper _sweeper = null!;

    [SetUp]
    public void Begin()
    {
        _root = Directory.CreateTempSubdirectory("sweep").FullName;
        var options = Options.Create(new AgentOptions { StateRoot = _root, KubeletPods = Path.Combine(_root, "pods") });
        _sweeper = new RestoreSweeper(
            new ContainerRuntime(GrpcChannel.ForAddress("unix:///nowhere", new GrpcChannelOptions())),
            new RestoreWatch(options, TimeProvider.System), options, TimeProvider.System,
            NullLogger<RestoreSweeper>.Instance);
    }

    [TearDown]
    public void End()
    {
        _sweeper.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Test]
    public void Memory_goes_when_the_pod_runs_and_the_markers_stay()
    {
        var folder = Staged("u1", "checkpoint/pages-1.img", "config.dump", "staged", "running");

        _sweeper.Sweep(new HashSet<string> { "u1" });

        Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName)
            .Should().BeEquivalentTo("staged", "running");
    }

    [Test]
    public void What_waits_for_its_restore_stays_whole()
    {
        var folder = Staged("u1", "checkpoint/pages-1.img", "staged");

        _sweeper.Sweep(new HashSet<string> { "u1" }).Should().Be(0);

        File.Exists(Path.Combine(folder, "checkpoint/pages-1.img")).Should().BeTrue();
    }

    [Test]
    public void A_pod_that_is_gone_leaves_nothing_and_one_that_is_still_to_come_keeps_all()
    {
        var young = Staged("young", "staged");
        var old = Staged("old", "staged");
        Directory.SetLastWriteTimeUtc(Path.GetDirectoryName(old)!, DateTime.UtcNow.AddHours(-1));
        Directory.CreateDirectory(Path.Combine(_root, "restores/.ids"));
        Directory.SetLastWriteTimeUtc(Path.Combine(_root, "restores/.ids"), DateTime.UtcNow.AddHours(-1));

        _sweeper.Sweep(new HashSet<string>()).Should().Be(1);

        Directory.Exists(old).Should().BeFalse();
        Directory.Exists(young).Should().BeTrue();
        Directory.Exists(Path.Combine(_root, "restores/.ids")).Should().BeTrue();
    }

    [Test]
    public void After_a_boot_that_took_all_sandboxes_what_says_that_a_pod_has_run_stays_as_long_as_kubelet_has_the_pod()
    {
        var folder = Staged("u1", "checkpoint/pages-1.img", "running");
        Directory.SetLastWriteTimeUtc(Path.GetDirectoryName(folder)!, DateTime.UtcNow.AddHours(-1));
        Directory.CreateDirectory(Path.Combine(_root, "pods/u1"));

        _sweeper.Sweep(new HashSet<string>());

        Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).Should().BeEquivalentTo("running");
        Directory.Delete(Path.Combine(_root, "pods/u1"));
        _sweeper.Sweep(new HashSet<string>()).Should().Be(1, "kubelet has done with it");
        Directory.Exists(folder).Should().BeFalse();
    }

    private string Staged(string pod, params string[] files)
    {
        var folder = Path.Combine(_root, "restores", pod, "c");
        foreach (var file in files)
        {
            var path = Path.Combine(folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, "x");
        }

        return folder;
    }
}
