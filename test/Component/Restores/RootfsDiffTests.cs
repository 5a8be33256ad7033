using System.Diagnostics;
using System.Formats.Tar;
using System.Runtime.InteropServices;
using System.Text;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Storage;

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
        foreach (var file in new[] { "etc/hosts",
            "etc/motd", "data/old", "data/kept", "cache/a", "cache/b", "dir/in/deep" })
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
            "-z", ("data/new", "new"), ("data/.wh.old", ""), (".wh.dir", ""), ("cache/.wh..wh..opq", ""),
            ("cache/c", "new"), ("etc/hosts", ""));

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
        File.WriteAllText(
            Path.Combine(_staging, "deleted.files"), """["/etc/motd","/dir","/cache/a","/q\"\u0026, x"]""");

        RootfsChanges.Prepare(_staging);
        (await _handler.CreateAsync()).Should().Be((0, ""));

        Files().Should().Equal("cache/b", "data/kept", "data/new", "data/old", "etc/hosts");
    }

    [TestCase("../victim")]
    [TestCase("/out/victim")]
    [TestCase("out/.")]
    public async Task Deletes_nothing_outside(string deleted)
    {
        GivenWayOut();
        File.WriteAllText(Path.Combine(_staging, RootfsChanges.Gone), deleted + "\n");

        (await _handler.CreateAsync()).Code.Should().Be(1);

        File.Exists(_handler.In("victim")).Should().BeTrue();
        _handler.Calls.Should().BeEmpty();
    }

    [TestCase("out/")]
    [TestCase("/out//")]
    public async Task Deletes_a_link_and_not_what_it_leads_to(string deleted)
    {
        GivenWayOut();
        File.WriteAllText(Path.Combine(_staging, RootfsChanges.Gone), deleted + "\n");

        (await _handler.CreateAsync()).Should().Be((0, ""));

        File.Exists(_handler.In("victim")).Should().BeTrue();
        Path.Exists(Path.Combine(_handler.Root, "out")).Should().BeFalse();
    }

    [TestCase("""["/../victim"]""")]
    [TestCase("""["/a\nb"]""")]
    [TestCase("""["/"]""")]
    [TestCase("""[null]""")]
    [TestCase("""{}""")]
    public void Refuses_a_list_of_what_is_no_path(string deleted)
    {
        File.WriteAllText(Path.Combine(_staging, "deleted.files"), deleted);

        ((Action)(() => RootfsChanges.Prepare(_staging)))
            .Should().Throw<CorruptArtifactException>().WithMessage("the list of deleted files*");
    }

    [Test]
    public async Task Replaces_folders_and_links_of_the_image_by_what_stood_there()
    {
        GivenWayOut();
        var layer = Directory.CreateDirectory(_handler.In("layer")).FullName;
        File.CreateSymbolicLink(Path.Combine(layer, "dir"), "/data");
        Write(layer, "cache", "a file now");
        Write(layer, "out/new", "a folder now");
        await PackAsync("-p", "dir", "cache", "out/", "out/new");
        RootfsChanges.Prepare(_staging);

        (await _handler.CreateAsync()).Code.Should().Be(0);

        new FileInfo(Path.Combine(_handler.Root, "dir")).LinkTarget.Should().Be("/data");
        File.ReadAllText(Path.Combine(_handler.Root, "cache")).Should().Be("a file now");
        new FileInfo(Path.Combine(_handler.Root, "out")).LinkTarget.Should().BeNull();
        File.ReadAllText(Path.Combine(_handler.Root, "out/new")).Should().Be("a folder now");
        Directory.EnumerateFileSystemEntries(_handler.In("."), "new", SearchOption.TopDirectoryOnly).Should().BeEmpty();
    }

    [Test]
    public async Task Keeps_modes_attributes_and_capabilities()
    {
        // VFS_CAP_REVISION_2, CAP_NET_RAW permitted (capabilities(7)).
        var capability = "\u0001\0\0\u0002\0\u0020" + new string('\0', 14);
        using (var tar = new TarWriter(File.Create(Path.Combine(_staging, RootfsChanges.Tar))))
        {
            tar.WriteEntry(new PaxTarEntry(
                TarEntryType.RegularFile, "ping",
                [new("SCHILY.xattr.security.capability", capability), new("SCHILY.xattr.user.note", "kept")])
            {
                Mode = (UnixFileMode)0b100_111_101_101,
            });
        }

        RootfsChanges.Prepare(_staging);

        (await _handler.CreateAsync()).Should().Be((0, ""));

        var path = Path.Combine(_handler.Root, "ping");
        ((int)File.GetUnixFileMode(path)).Should().Be(0b100_111_101_101);
        Attribute(path, "user.note").Should().Equal("kept"u8.ToArray());
        Attribute(path, "security.capability").Should().Equal(capability.Select(c => (byte)c));
    }

    [Test]
    public void Leaves_nothing_of_a_diff_that_cannot_be_unpacked()
    {
        File.WriteAllText(Path.Combine(_staging, RootfsChanges.Tar), "no tar");

        ((Action)(() => RootfsChanges.Prepare(_staging))).Should().Throw<CorruptArtifactException>();

        Directory.EnumerateFiles(_staging, "*.plain").Should().BeEmpty();
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

    /// <summary>In a UTF-8 locale bash, which is sh on many nodes, reads a line break as a part of a name
    /// that ends within a character.</summary>
    [Test]
    public async Task Reads_names_as_bytes_whatever_the_shell_and_its_locale()
    {
        (_handler.Shell, _handler.Locale) = (["bash", "--posix"], "C.UTF-8");
        GivenWayOut();
        File.WriteAllBytes(Path.Combine(_staging, RootfsChanges.Folders), [.. "=a"u8, 0xc3, .. "\n=out\n"u8]);

        (await _handler.CreateAsync()).Code.Should().Be(1);

        _handler.ErrorLog.Should().Contain("files in out, which leads outside");
    }

    [Test]
    public async Task Long_names_of_any_bytes_are_kept()
    {
        var path = string.Join('/', Enumerable.Repeat("größer-als-hundert-bytes", 6)) + "/datei";
        await GivenLayerAsync("-z", (path, "da"));
        RootfsChanges.Prepare(_staging);

        (await _handler.CreateAsync()).Should().Be((0, ""));

        File.ReadAllText(Path.Combine(_handler.Root, path)).Should().Be("da");
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

        await PackAsync(compression, [.. files.Select(file => file.Path)]);
    }

    private async Task PackAsync(string compression, params string[] paths)
    {
        using var tar = Process.Start(
            "tar", ["-C", _handler.In("layer"), "--no-recursion", compression, "-cf", Path.Combine(
                _staging, RootfsChanges.Tar), .. paths]);
        await tar.WaitForExitAsync();
        tar.ExitCode.Should().Be(0);
    }

    private static byte[] Attribute(string path, string name)
    {
        var value = new byte[100];
        return value[..Math.Max(0, (int)getxattr(
            Encoding.UTF8.GetBytes(path + "\0"), Encoding.UTF8.GetBytes(name + "\0"), value, (nuint)value.Length))];
    }

    [DllImport("libc")]
    private static extern nint getxattr(byte[] path, byte[] name, byte[] value, nuint size);

    private static void Write(string folder, string path, string text)
    {
        var file = Path.Combine(folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
