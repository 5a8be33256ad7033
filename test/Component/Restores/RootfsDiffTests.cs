using System.Diagnostics;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Restores;

namespace PodCheckpointing.Component.Restores;

/// <summary>The restore handler gives the container the files that it had.</summary>
internal sealed class RootfsDiffTests
{
    private Handler _handler = null!;
    private string _staging = null!;

    [SetUp]
    public void Prepare()
    {
        _handler = new Handler();
        _staging = _handler.Stage("u1", "app");
        File.WriteAllText(Path.Combine(_handler.Bundle, "config.json"), """
            {"root": {"path": "rootfs"}, "annotations": {"io.kubernetes.cri-o.checkpoint-restore": "shared://u0/c0",
             "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-uid": "u1", "io.kubernetes.cri.container-name": "app"},
             "linux": {"cgroupsPath": "/c1"}}
            """);
        foreach (var file in new[] { "etc/hosts", "etc/motd", "data/old", "data/kept", "cache/a", "cache/b", "dir/in/deep" })
        {
            Write(_handler.Root, file, "image");
        }
    }

    [TearDown]
    public void Clean() => _handler.Dispose();

    [Test]
    public async Task From_containerd()
    {
        await GivenLayerAsync(
            "-z", ("data/new", "new"), ("data/.wh.old", ""), (".wh.dir", ""), ("cache/.wh..wh..opq", ""), ("cache/c", "new"), ("etc/hosts", ""));

        RootfsChanges.Prepare(_staging);
        (await _handler.CreateAsync()).Should().Be((0, ""));

        Files().Should().Equal("cache/c", "data/kept", "data/new", "etc/hosts", "etc/motd");
        File.ReadAllText(Path.Combine(_handler.Root, "etc/hosts")).Should().Be("image", "the runtime mounts it");
    }

    [Test]
    public async Task From_CRI_O()
    {
        await GivenLayerAsync("-p", ("data/new", "new"));
        Write(_handler.Root, "q\"&, x", "image");
        File.WriteAllText(Path.Combine(_staging, "deleted.files"), """["/etc/motd","/dir","/cache/a","/q\"\u0026, x"]""");

        RootfsChanges.Prepare(_staging);
        (await _handler.CreateAsync()).Should().Be((0, ""));

        Files().Should().Equal("cache/b", "data/kept", "data/new", "data/old", "etc/hosts");
    }

    [TestCase("/../victim")]
    [TestCase("/out/victim")]
    public async Task Deletes_nothing_outside(string deleted)
    {
        GivenWayOut();
        File.WriteAllText(Path.Combine(_staging, "deleted.files"), $"[\"{deleted}\"]");
        RootfsChanges.Prepare(_staging);

        (await _handler.CreateAsync()).Code.Should().Be(1);

        File.Exists(_handler.In("victim")).Should().BeTrue();
        _handler.Calls.Should().BeEmpty();
    }

    [TestCase("out/victim")]
    [TestCase("out/.wh.victim")]
    public async Task Writes_nothing_outside(string entry)
    {
        GivenWayOut();
        await GivenLayerAsync("-p", (entry, "evil"));
        RootfsChanges.Prepare(_staging);

        (await _handler.CreateAsync()).Code.Should().Be(1);

        File.ReadAllText(_handler.In("victim")).Should().Be("here");
        _handler.ErrorLog.Should().Contain("outside");
        _handler.Calls.Should().BeEmpty();
    }

    [Test]
    public async Task Takes_nothing_that_was_not_prepared()
    {
        await GivenLayerAsync("-p", ("data/new", "new"));

        File.Delete(Path.Combine(_staging, RootfsChanges.Folders));

        (await _handler.CreateAsync()).Code.Should().Be(1);

        _handler.ErrorLog.Should().Contain("another version");
        _handler.Calls.Should().BeEmpty();
    }

    private void GivenWayOut()
    {
        Write(_handler.In("."), "victim", "here");
        Directory.CreateSymbolicLink(Path.Combine(_handler.Root, "out"), _handler.In("."));
    }

    private IEnumerable<string> Files() => Directory.EnumerateFiles(_handler.Root, "*", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(_handler.Root, file)).Order(StringComparer.Ordinal);

    private async Task GivenLayerAsync(string compression, params (string Path, string Text)[] files)
    {
        var layer = _handler.In("layer");
        foreach (var (path, text) in files)
        {
            Write(layer, path, text);
        }

        using var tar = Process.Start(
            "tar", ["-C", layer, compression, "-cf", Path.Combine(_staging, "rootfs-diff.tar"), .. files.Select(file => file.Path)]);
        await tar.WaitForExitAsync();
        tar.ExitCode.Should().Be(0);
    }

    private static void Write(string folder, string path, string text)
    {
        var file = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
