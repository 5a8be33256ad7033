using System.Diagnostics;
using System.Formats.Tar;
using System.Text;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Unit.Storage;

/// <summary>What is handed to another tar can be read in one way only, and names all the
/// folders that it writes into.</summary>
public sealed class LayerChangesTests : StoreFolder
{
    private static readonly HashSet<string> Nothing = [];

    private string Layer => Path.Combine(Root, "layer");

    private string Made => Path.Combine(Root, "made");

    private string Itself => Path.Combine(Root, "itself");

    private string Plain => Path.Combine(Root, "plain.tar");

    /// <summary>.NET cannot remove names that are no UTF-8.</summary>
    [TearDown]
    public void RemoveBytes() => Run("rm", "-rf", Layer, Made, Itself);

    [TestCase("--format=gnu", TestName = "A layer in GNU's form keeps everything that tar restores")]
    [TestCase("--format=posix", TestName = "A layer in the pax form keeps everything that tar restores")]
    public void Everything_that_tar_restores(string format)
    {
        var longName = string.Join('/', Enumerable.Repeat("a-rather-long-name-of-a-folder", 6));
        Directory.CreateDirectory(Path.Combine(Layer, longName));
        File.WriteAllText(Path.Combine(Layer, longName, "file"), "deep");
        File.WriteAllText(Path.Combine(Layer, "some file"), new string('x', 70_000));
        File.SetUnixFileMode(Path.Combine(Layer, "some file"), (UnixFileMode)0b110_100_000);
        File.SetLastWriteTimeUtc(
            Path.Combine(Layer, "some file"), new DateTime(2026, 1, 2, 3, 4, 5, 678, DateTimeKind.Utc));
        File.CreateSymbolicLink(Path.Combine(Layer, "link"), "/" + longName + longName);
        Run("ln", Path.Combine(Layer, "some file"), Path.Combine(Layer, "second name"));
        Run("mkfifo", Path.Combine(Layer, "pipe"));
        // Latin-1, which is no UTF-8.
        Run("bash", "-c", $"echo bytes >\"{Layer}/$(printf 'caf\\351')\"");

        var layer = Archive(format);
        var changes = Unpack(layer);

        changes.Others.Should().HaveCount(6);
        changes.Gone.Should().BeEmpty();
        changes.Folders.Should().Contain("+" + longName).And.HaveCount(6).And.BeInAscendingOrder(f => f.Length);
        Directory.CreateDirectory(Made);
        Directory.CreateDirectory(Itself);
        Run("tar", "-C", Made, "-xpf", Plain, "--numeric-owner");
        Run("tar", "-C", Itself, "-xpf", layer, "--numeric-owner");
        Listing(Made).Should().Be(Listing(Itself));
        Run("diff", "-r", "--no-dereference", "-x", "pipe", Layer, Made);
        TestCalls.Stat(Path.Combine(Made, "second name")).Inode
            .Should().Be(TestCalls.Stat(Path.Combine(Made, "some file")).Inode);
    }

    [Test]
    public void Whiteouts_are_told_and_not_extracted_and_files_of_others_left_out()
    {
        foreach (var name in new[] { "data/.wh.old",
            ".wh.dir", "cache/.wh..wh..opq", ".wh..wh..opq", "etc/hosts", "etc/hosts.allow" })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Layer, name))!);
            File.WriteAllText(Path.Combine(Layer, name), "");
        }

        var changes = Unpack(
            Archive(
                "--format=gnu", ".wh.dir", ".wh..wh..opq", "data/.wh.old", "cache/.wh..wh..opq", "etc/hosts",
                "etc/hosts.allow"),
            "etc/hosts");

        changes.Gone.Should().Equal("dir", "data/old", "cache");
        changes.Folders.Should().Equal("=etc");
        changes.Others.Should().Equal("etc/hosts.allow");
        Run("tar", "-tf", Plain).Should().Be("etc/hosts.allow\n");
    }

    [Test]
    public void A_layer_of_whiteouts_alone_has_nothing_to_extract()
    {
        Directory.CreateDirectory(Layer);
        File.WriteAllText(Path.Combine(Layer, ".wh.old"), "");

        Unpack(Archive("--format=gnu", ".wh.old")).Should().BeEquivalentTo(new LayerChanges([], ["old"], []));
    }

    [Test]
    public void The_folder_that_a_hard_link_leads_to_is_named()
    {
        Directory.CreateDirectory(Path.Combine(Layer, "data"));
        Directory.CreateDirectory(Path.Combine(Layer, "other"));
        File.WriteAllText(Path.Combine(Layer, "data/file"), "");
        Run("ln", Path.Combine(Layer, "data/file"), Path.Combine(Layer, "other/link"));

        Unpack(Archive("--format=gnu", "data/file", "other/link")).Folders.Should().Equal("=data", "=other");
    }

    [Test]
    public void Attributes_and_large_owners_are_kept()
    {
        var path = Path.Combine(Root, "described.tar");
        using (var writer = new TarWriter(File.Create(path)))
        {
            writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "/f",
            [
                new("SCHILY.xattr.user.note", "kept"),
            ]) { Uid = 2_100_000_000, Gid = 3_000_000 });
        }

        Unpack(path).Folders.Should().BeEmpty();

        Run("tar", "-C", Out, "-xpf", Plain, "--numeric-owner", "--xattrs", "--xattrs-include=user.*");
        var value = new byte[16];
        TestCalls.getxattr(Encoding.UTF8.GetBytes(Path.Combine(Out, "f") + "\0"), "user.note\0"u8.ToArray(), value, 16)
            .Should().Be(4);
        Run("stat", "-c", "%u %g", Path.Combine(Out, "f")).Should().Be("2100000000 3000000\n");
    }

    [TestCase("../out", "*leads outside*")]
    [TestCase("a\nb/file", "*line break*")]
    [TestCase("a/.wh.b\nc", "*line break*")]
    [TestCase("a/.wh.", "*whiteout of nothing*")]
    [TestCase("a/.wh...", "*whiteout of nothing*")]
    public void A_name_that_leads_elsewhere_is_refused(string name, string why)
    {
        var path = Path.Combine(Root, "hostile.tar");
        using (var writer = new TarWriter(File.Create(path)))
        {
            writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name));
        }

        ((Action)(() => Unpack(path))).Should().Throw<CorruptArtifactException>().WithMessage(why);
    }

    [Test]
    public void A_file_whose_name_has_a_line_break_is_kept()
    {
        Unpack(Write(new PaxTarEntry(TarEntryType.RegularFile, "a\nb")))
            .Should().BeEquivalentTo(new LayerChanges([], [], []));

        Run("tar", "-tf", Plain).Should().Be("a\\nb\n");
    }

    [Test]
    public void Attributes_that_are_written_once_and_meant_for_all_take_their_room()
    {
        var path = Write([
            new PaxGlobalExtendedAttributesTarEntry([new("SCHILY.xattr.user.much", new string('x', 500_000))]),
            .. Enumerable.Range(0, 100).Select(i => new PaxTarEntry(TarEntryType.RegularFile, $"{i}"))]);
        using var from = File.OpenRead(path);
        using var to = new MemoryStream();

        ((Action)(() => LayerChanges.Unpack(from, to, Nothing, 1 << 20)))
            .Should().Throw<IOException>().Which.HResult.Should().Be(28);
    }

    [TestCase(TarEntryType.SymbolicLink, "a/evil")]
    [TestCase(TarEntryType.SymbolicLink, "./a//b/evil")]
    [TestCase(TarEntryType.HardLink, "a/evil")]
    public void A_layer_that_goes_through_its_own_link_is_refused(TarEntryType link, string below)
    {
        var path = Write(
            new PaxTarEntry(link, "a") { LinkName = "var/run" }, new PaxTarEntry(TarEntryType.RegularFile, below));

        ((Action)(() => Unpack(path))).Should().Throw<CorruptArtifactException>().WithMessage("*a path through a*");
    }

    [Test]
    public void A_hard_link_to_what_lies_behind_a_link_of_the_layer_is_refused()
    {
        var path = Write(
            new PaxTarEntry(TarEntryType.SymbolicLink, "a") { LinkName = "var/run" },
            new PaxTarEntry(TarEntryType.HardLink, "mine") { LinkName = "a/secret" });

        ((Action)(() => Unpack(path))).Should().Throw<CorruptArtifactException>().WithMessage("*a path through a*");
    }

    [TestCase(TarEntryType.Directory, TarEntryType.SymbolicLink)]
    [TestCase(TarEntryType.SymbolicLink, TarEntryType.Directory)]
    public void A_layer_that_makes_a_folder_and_something_else_of_one_name_is_refused(
        TarEntryType first, TarEntryType second)
    {
        var path = Write([.. new[] { first, second }.Select(
            t => t == TarEntryType.Directory ? new PaxTarEntry(t, "a") : new PaxTarEntry(t, "a") { LinkName = "b" })]);

        ((Action)(() => Unpack(path))).Should().Throw<CorruptArtifactException>().WithMessage("*too");
    }

    [Test]
    public void A_layer_that_has_no_room_is_not_unpacked_to_its_end()
    {
        Directory.CreateDirectory(Layer);
        File.WriteAllBytes(Path.Combine(Layer, "file"), new byte[2 << 20]);
        using var from = File.OpenRead(Archive("--format=gnu"));
        using var to = new MemoryStream();

        ((Action)(() => LayerChanges.Unpack(from, to, Nothing, 1 << 20)))
            .Should().Throw<IOException>().Which.HResult.Should().Be(28);

        to.Length.Should().BeLessThan(1_300_000);
    }

    [Test]
    public void A_layer_of_more_names_than_anybody_has_is_refused()
    {
        var long1 = string.Join('/', Enumerable.Repeat(new string('x', 250), 15));
        var path = Write(
            [.. Enumerable.Range(0, 10_000).Select(i => new PaxTarEntry(TarEntryType.RegularFile, $"{long1}/{i}"))]);

        ((Action)(() => Unpack(path))).Should().Throw<CorruptArtifactException>().WithMessage("*names of more than*");
    }

    [TestCase("no tar")]
    [TestCase("")]
    public void What_is_no_layer_is_refused(string content)
    {
        var path = Path.Combine(Root, "broken.tar");
        File.WriteAllText(path, content);

        ((Action)(() => Unpack(path))).Should().Throw<CorruptArtifactException>();
    }

    [Test]
    public void A_layer_that_is_cut_short_is_refused()
    {
        Directory.CreateDirectory(Layer);
        File.WriteAllBytes(
            Path.Combine(Layer, "file"), Enumerable.Range(0, 100_000).Select(i => (byte)(i * 31 >> 3)).ToArray());
        var whole = File.ReadAllBytes(Archive("--format=gnu"));
        foreach (var length in new[] { 1, 10, whole.Length / 2, whole.Length * 9 / 10 })
        {
            var path = Path.Combine(Root, $"cut-{length}.tar");
            File.WriteAllBytes(path, whole[..length]);
            ((Action)(() => Unpack(path)))
                .Should().Throw<CorruptArtifactException>($"it has {length} bytes of {whole.Length}");
        }
    }

    private LayerChanges Unpack(string layer, params string[] omitted)
    {
        using var from = File.OpenRead(layer);
        using var to = File.Create(Plain);
        return LayerChanges.Unpack(from, to, omitted.Length == 0 ? Nothing : omitted.ToHashSet(), long.MaxValue);
    }

    /// <summary>As containerd makes it: gzip.</summary>
    private string Archive(string format, params string[] names)
    {
        var path = Path.Combine(Root, "layer.tar.gz");
        Run("tar", ["-C", Layer, "-z", "--sort=name", format, "-cf", path, .. names.DefaultIfEmpty(".")]);
        return path;
    }

    private string Write(params TarEntry[] entries)
    {
        var path = Path.Combine(Root, "written.tar");
        using var writer = new TarWriter(File.Create(path));
        foreach (var entry in entries)
        {
            writer.WriteEntry(entry);
        }

        return path;
    }

    private static string Listing(string folder) =>
        Run("bash", "-c", $"cd '{folder}' && find . -mindepth 1 -printf '%p %y %m %U %G %s %T@ %l\\n' | LC_ALL=C sort");

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.Latin1,
        })!;
        var output = process.StandardOutput.ReadToEnd();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        process.ExitCode.Should().Be(0, error + output);
        return output;
    }
}
