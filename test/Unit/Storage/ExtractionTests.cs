using System.Formats.Tar;
using System.Text;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Unit.Storage;

/// <summary>What an archive may put where.</summary>
public sealed class ExtractionTests : StoreFolder
{
    private static readonly DateTimeOffset Then = new(2024, 2, 29, 12, 34, 56, 789, TimeSpan.Zero);

    [Test]
    public async Task Modes_times_and_links_are_as_they_were()
    {
        await ExtractAsync(
            new PaxTarEntry(TarEntryType.Directory, "d/") { Mode = (UnixFileMode)0x16d, ModificationTime = Then },
            File("d/tool", "text", (UnixFileMode)0x9ed),
            new PaxTarEntry(TarEntryType.HardLink, "d/same") { LinkName = "d/tool" },
            new PaxTarEntry(
                TarEntryType.SymbolicLink, "d/link") { LinkName = "/etc/hostname", ModificationTime = Then },
            new PaxTarEntry(TarEntryType.Fifo, "d/pipe") { Mode = (UnixFileMode)0x180 });

        var tool = new FileInfo(At("d/tool"));
        tool.UnixFileMode.Should().Be((UnixFileMode)0x9ed);
        tool.LastWriteTimeUtc.Should().Be(Then.UtcDateTime);
        new DirectoryInfo(At("d")).LastWriteTimeUtc.Should().Be(Then.UtcDateTime);
        new DirectoryInfo(At("d")).UnixFileMode.Should().Be((UnixFileMode)0x16d);
        new FileInfo(At("d/link")).LinkTarget.Should().Be("/etc/hostname");
        System.IO.File.AppendAllText(At("d/same"), " and more");
        System.IO.File.ReadAllText(At("d/tool")).Should().Be("text and more", "both names are one file");
        TestCalls.Stat(At("d/pipe")).Type.Should().Be(0x1000);
    }

    [TestCase(1_000)]
    [TestCase(20_000)]
    public void An_archive_of_many_folders_is_not_kept_in_memory(int count)
    {
        // The memory is the whole process's: what another thread takes meanwhile is not taken each time.
        var kept = Enumerable.Range(0, 3).Select(attempt => MemoryFor($"d{attempt}", count)).ToList();

        kept.Min().Should().BeLessThan(1 << 20, "of {0}", string.Join(", ", kept));
        Directory.GetDirectories(At("d0")).Should().HaveCount(count);
    }

    /// <summary>What it holds when it has extracted so many folders, each in one folder, as in a cache that somebody
    /// has filled.</summary>
    private long MemoryFor(string folder, int count)
    {
        using var extractor = new ArchiveExtractor(Out, ExtractionOptions.Everything);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < count; i++)
        {
            extractor.Begin(new ArchiveEntry
            {
                Type = ArchiveEntryType.Directory, RawName = Encoding.UTF8.GetBytes($"{folder}/{i}/"), Mode = 0x1c0,
            });
            extractor.End();
        }

        var kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        extractor.Finish();
        return kept;
    }

    [Test]
    public async Task Owners_and_attributes_are_as_they_were()
    {
        await ExtractAsync(
            new PaxTarEntry(
                TarEntryType.RegularFile, "f", [new("SCHILY.xattr.user.note", "kept")]) { Uid = 1234, Gid = 70000 },
            new PaxTarEntry(TarEntryType.SymbolicLink, "l") { LinkName = "f", Uid = 5, Gid = 6 });

        TestCalls.Stat(At("f")).Owner.Should().Be(OwnerOf(1234, 70000));
        TestCalls.Stat(At("l")).Owner.Should().Be(OwnerOf(5, 6));
        var value = new byte[16];
        TestCalls.getxattr(Encoding.UTF8.GetBytes(At("f") + "\0"), "user.note\0"u8.ToArray(), value, 16).Should().Be(4);
        value[..4].Should().Equal("kept"u8.ToArray());
    }

    [Test]
    public async Task Zero_blocks_become_holes_and_read_as_zeros()
    {
        var content = new byte[(3 << 20) + 17];
        new Random(1).NextBytes(content.AsSpan(1 << 20, 5000));
        await ExtractAsync(
            new PaxTarEntry(TarEntryType.RegularFile, "pages.img") { DataStream = new MemoryStream(content) });

        System.IO.File.ReadAllBytes(At("pages.img")).AsSpan().SequenceEqual(content).Should().BeTrue();
        TestCalls.Stat(At("pages.img")).Blocks.Should().BeInRange(8UL, 64UL, "two blocks hold data, of 3 MiB");
    }

    [Test]
    public async Task The_later_of_two_files_of_one_name_counts()
    {
        await ExtractAsync(File("f", "first"), File("./f", "second"));
        System.IO.File.ReadAllText(At("f")).Should().Be("second");
    }

    [TestCase("/etc/passwd")]
    [TestCase("../outside")]
    [TestCase("a/../../outside")]
    [TestCase("a/..")]
    public async Task Paths_that_lead_outside_are_refused(string path)
    {
        var extracting = () => ExtractAsync(File(path, "x"));
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*leads outside*");
        OnlyInside();
    }

    [Test]
    public async Task A_link_of_the_archive_is_not_walked_through()
    {
        var extracting = () => ExtractAsync(
            new PaxTarEntry(TarEntryType.SymbolicLink, "door") { LinkName = ".." }, File("door/outside", "x"));
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*door, which is no folder*");
        OnlyInside();
    }

    [Test]
    public async Task A_file_does_not_go_through_a_link_of_its_name()
    {
        var target = Path.Combine(Path.GetDirectoryName(Out)!, "outside");
        System.IO.File.WriteAllText(target, "mine");
        await ExtractAsync(new PaxTarEntry(TarEntryType.SymbolicLink, "f") { LinkName = target }, File("f", "theirs"));
        System.IO.File.ReadAllText(target).Should().Be("mine");
        System.IO.File.ReadAllText(At("f")).Should().Be("theirs");
    }

    [TestCase("/etc/hostname", "leads outside")]
    [TestCase("../outside", "leads outside")]
    [TestCase("nowhere", "does not hold")]
    [TestCase("door/outside", "no folder")]
    public async Task A_hard_link_to_a_file_outside_is_refused(string target, string why)
    {
        System.IO.File.WriteAllText(Path.Combine(Path.GetDirectoryName(Out)!, "outside"), "mine");
        var extracting = () => ExtractAsync(
            new PaxTarEntry(TarEntryType.SymbolicLink, "door") { LinkName = ".." },
            new PaxTarEntry(TarEntryType.HardLink, "l") { LinkName = target });
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage($"*{why}*");
        System.IO.File.Exists(At("l")).Should().BeFalse();
    }

    [Test]
    public async Task Devices_come_only_when_asked_for()
    {
        PosixTarEntry device =
            new PaxTarEntry(TarEntryType.CharacterDevice, "null") { DeviceMajor = 1, DeviceMinor = 3 };
        var extracting = () => ExtractAsync(device);
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*CharacterDevice*");
        if (Environment.IsPrivilegedProcess)
        {
            await ExtractAsync(new ExtractionOptions { Devices = true }, "second", device);
            TestCalls.Stat(At("null")).Device.Should().Be((1u, 3u));
        }
    }

    [TestCase(TarEntryType.SymbolicLink)]
    [TestCase(TarEntryType.HardLink)]
    [TestCase(TarEntryType.Fifo)]
    public async Task A_dump_has_files_and_folders_only(TarEntryType type)
    {
        var entry = new PaxTarEntry(type, "l");
        if (type != TarEntryType.Fifo)
        {
            entry.LinkName = "x";
        }

        var extracting = () => ExtractAsync(ExtractionOptions.FilesOnly, "first", File("x", "x"), entry);
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*not to be extracted*");
    }

    [Test]
    public async Task Names_of_any_length_and_bytes_survive()
    {
        var name = string.Concat(Enumerable.Repeat("ein-längerer-Ordner/", 20)) + new string('x', 200);
        await ExtractAsync(
            File(name, "deep"),
            new GnuTarEntry(
                TarEntryType.RegularFile, "gnu/" + name) { DataStream = new MemoryStream("gnu"u8.ToArray()) });
        System.IO.File.ReadAllText(At(name)).Should().Be("deep");
        System.IO.File.ReadAllText(At("gnu/" + name)).Should().Be("gnu");
    }

    [Test]
    public async Task A_path_of_a_thousand_folders_is_refused()
    {
        var extracting = () => ExtractAsync(File(string.Concat(Enumerable.Repeat("deep/", 1000)) + "f", "x"));
        (await extracting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*path of 5001 bytes*");
        System.IO.Directory.EnumerateFileSystemEntries(Out).Should().BeEmpty();
    }

    private static PaxTarEntry File(string name, string text, UnixFileMode mode = (UnixFileMode)0x1a4) =>
        new(TarEntryType.RegularFile, name)
        {
            DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)), Mode = mode, ModificationTime = Then,
        };

    private string At(string name) => Path.Combine(Out, name);

    /// <summary>Whom an entry's file belongs to: only root may give files away, and others keep them.</summary>
    private (uint, uint) OwnerOf(uint user, uint group) =>
        Environment.IsPrivilegedProcess ? (user, group) : TestCalls.Stat(Out).Owner;

    private void OnlyInside() =>
        System.IO.Directory.GetFileSystemEntries(Path.GetDirectoryName(Out)!).Should().BeEquivalentTo(Out, Root);

    private Task ExtractAsync(params TarEntry[] entries) =>
        ExtractAsync(ExtractionOptions.Everything, "first", entries);

    private async Task ExtractAsync(ExtractionOptions options, string id, params TarEntry[] entries)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, leaveOpen: true))
        {
            foreach (var entry in entries)
            {
                tar.WriteEntry(entry);
            }
        }

        stream.Position = 0;
        var manifest = await Store.WriteAsync(
            Pod, id, Volume, stream, new Origin(), new Progress<long>(), CancellationToken.None);
        await Store.Read(manifest).ExtractAsync(Out, options, CancellationToken.None);
    }
}
