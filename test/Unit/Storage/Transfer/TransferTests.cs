using System.Formats.Tar;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Transfer;

namespace PodCheckpointing.Unit.Storage;

/// <summary>A checkpoint that leaves its store as a file comes back as it was, or not at all.</summary>
public sealed class TransferTests : StoreFolder
{
    private const string Name = $"{Pod}/{Id}";

    protected override bool InMemory => true;

    [Test]
    public async Task A_checkpoint_comes_back_byte_by_byte()
    {
        var file = await ExportedAsync();

        (await ImportAsync(file)).Should().BeEquivalentTo(new { PodUID = Pod, CheckpointID = Id, New = true });

        Content(Out).Should().BeEquivalentTo(Content(Root));
        var other = new CheckpointStore(Out, TimeProvider.System);
        foreach (var container in new[] { "main", Volume })
        {
            await other.Read(other.FindSealed(Pod, Id, container)).VerifyAsync(CancellationToken.None);
        }
    }

    [Test]
    public async Task The_file_is_a_plain_tar_whose_last_entry_is_the_marker_and_always_the_same()
    {
        var file = await ExportedAsync();

        var names = new List<string>();
        using (var tar = new TarReader(new MemoryStream(file)))
        {
            while (tar.GetNextEntry() is { } entry)
            {
                names.Add(entry.Name);
            }
        }

        names.Should().Equal(
            $"{Name}/{Volume}/manifest.json", $"{Name}/{Volume}/dump.tar.zst",
            $"{Name}/main/manifest.json", $"{Name}/main/dump.tar.zst", $"{Name}/.checkpoint-complete");
        (await ExportAsync()).Should().Equal(file);
    }

    [Test]
    public async Task Importing_again_changes_nothing()
    {
        var file = await ExportedAsync();
        await ImportAsync(file);
        var before = Directory.GetFiles(Out, "*", SearchOption.AllDirectories)
            .Select(path => (path, File.GetLastWriteTimeUtc(path)))
            .ToList();

        (await ImportAsync(file)).New.Should().BeFalse();

        Directory.GetFiles(Out, "*", SearchOption.AllDirectories).Select(path => (path, File.GetLastWriteTimeUtc(path)))
            .Should().Equal(before);
    }

    [Test]
    public async Task What_a_killed_import_left_is_taken_over()
    {
        var file = await ExportedAsync();
        await ImportAsync(file);
        var whole = Content(Out);
        // Killed before the marker, and within the second artifact.
        File.Delete(Path.Combine(Out, Name, ".checkpoint-complete"));
        File.Delete(Path.Combine(Out, Name, "main", "manifest.json"));
        File.Move(Path.Combine(
            Out, Name, "main", "dump.tar.zst"), Path.Combine(Out, Name, "main", "dump.tar.zst.partial"));

        (await ImportAsync(file)).New.Should().BeTrue();

        Content(Out).Should().BeEquivalentTo(whole);
    }

    [Test]
    public async Task Another_checkpoint_of_that_name_is_not_touched()
    {
        var file = await ExportedAsync();
        var other = new CheckpointStore(Out, TimeProvider.System);
        await other.WriteAsync(
            Pod, Id, Volume, new MemoryStream(new byte[1024]), new Origin(), new Progress<long>(),
            CancellationToken.None);
        await Refused<ArgumentException>(file, "*stands there already*");
        other.Seal(Pod, Id, [Volume]);

        await Refused<ArgumentException>(file, "*stands there already*");
    }

    [Test]
    public async Task A_smaller_or_larger_checkpoint_of_that_name_is_not_touched()
    {
        var file = await ExportedAsync();
        await ImportAsync(file);
        File.Delete(Path.Combine(Out, Name, ".checkpoint-complete"));
        new CheckpointStore(Out, TimeProvider.System).Seal(Pod, Id, [Volume]);

        await Refused<ArgumentException>(file, "*marker that differs*");
    }

    [Test]
    public async Task Of_a_file_that_is_cut_short_nothing_is_left([Range(0, 11)] int part)
    {
        var file = await ExportedAsync();
        for (var length = part; length < file.Length - 1024; length += 12 * 97)
        {
            await Refused<CorruptArtifactException>(file[..length], "*");
        }
    }

    [Test]
    public async Task Of_a_file_with_a_flipped_byte_nothing_is_left_unless_the_byte_means_nothing()
    {
        var file = await ExportedAsync(volumeOnly: true);
        var whole = Content(Root);
        var (refused, same) = (0, 0);
        for (var i = 0; i < file.Length; i += 5)
        {
            file[i] ^= 4;
            try
            {
                await ImportAsync(file);
                // Padding, or the blanks of a tar's header.
                Content(Out).Should().BeEquivalentTo(whole, $"byte {i} was flipped");
                new CheckpointStore(Out, TimeProvider.System).Delete(Pod, Id, null);
                same++;
            }
            catch (CorruptArtifactException)
            {
                Content(Out).Should().BeEmpty($"byte {i} was flipped");
                refused++;
            }

            file[i] ^= 4;
        }

        refused.Should().BeGreaterThan(600);
        same.Should().BePositive("padding is not looked at");
    }

    [TestCase("../outside/manifest.json")]
    [TestCase($"/{Name}/main/manifest.json")]
    [TestCase($"{Name}/../main/manifest.json")]
    [TestCase($"../{Name}/main/manifest.json")]
    [TestCase($"{Name}/main/../manifest.json")]
    [TestCase($"{Name}/.volumes/../x/manifest.json")]
    [TestCase($"{Name}/main/other.txt")]
    [TestCase($"{Name}/main/dump.tar.zst")]
    [TestCase($"{Name}/manifest.json")]
    [TestCase($"{Name}/a/b/c/manifest.json")]
    [TestCase("manifest.json")]
    [TestCase("")]
    public async Task Names_that_an_export_does_not_write_are_refused(string name)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, leaveOpen: true))
        {
            tar.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, name.Length == 0
                ? "x"
                : name) { DataStream = new MemoryStream("{}"u8.ToArray()) });
        }

        await Refused<CorruptArtifactException>(stream.ToArray(), "*");
    }

    [TestCase(TarEntryType.SymbolicLink)]
    [TestCase(TarEntryType.HardLink)]
    [TestCase(TarEntryType.CharacterDevice)]
    [TestCase(TarEntryType.Fifo)]
    public async Task Anything_but_files_is_refused(TarEntryType type)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, leaveOpen: true))
        {
            var entry = new GnuTarEntry(type, $"{Name}/main/manifest.json");
            if (type is TarEntryType.SymbolicLink or TarEntryType.HardLink)
            {
                entry.LinkName = "/etc/passwd";
            }

            tar.WriteEntry(entry);
        }

        await Refused<CorruptArtifactException>(stream.ToArray(), "*which no exported checkpoint does*");
    }

    [TestCase("main/dump.tar.zst", "*does not fit*")]
    [TestCase("main/manifest.json", "*which no exported checkpoint does*")]
    [TestCase(".checkpoint-complete", "*holds no marker*")]
    public async Task A_file_that_lacks_a_part_is_refused(string part, string message) =>
        await Refused<CorruptArtifactException>(
            Repacked(await ExportedAsync(), names => names.Where(name => name != $"{Name}/{part}")), message);

    [Test]
    public async Task A_file_that_holds_a_part_twice_is_refused(
        [Values("main/dump.tar.zst", "main/manifest.json", ".checkpoint-complete")] string part) =>
        await Refused<CorruptArtifactException>(
            Repacked(await ExportedAsync(), names => names.Append($"{Name}/{part}")), "*");

    [Test]
    public async Task A_file_of_two_checkpoints_is_refused()
    {
        var file = await ExportedAsync();
        var names = 0;
        var renamed = Repacked(file, all => all, name => names++ < 2
            ? name
            : name.Replace(Id, "20261121t003412z-000000", StringComparison.Ordinal));
        await Refused<CorruptArtifactException>(renamed, "*which no exported checkpoint does*");
    }

    [Test]
    public async Task What_is_stored_as_another_checkpoint_than_it_says_is_refused()
    {
        var file = await ExportedAsync();
        await Refused<CorruptArtifactException>(
            Repacked(file, all => all, name => name.Replace(Id, "20261121t003412z-000000", StringComparison.Ordinal)),
            "*");
    }

    [Test]
    public async Task Nothing_is_imported_over_a_writer()
    {
        var file = await ExportedAsync();
        using var writer = StoreLock.Take(Out, Name, exclusive: false);
        await Refused<IOException>(file, "*in use*");
    }

    [Test]
    public async Task What_is_broken_or_not_complete_is_not_exported()
    {
        await WriteAsync(new MemoryStream(new byte[1024]));
        var exporting = ExportAsync;
        (await exporting.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*not complete*");
        Store.Seal(Pod, Id, [Volume]);
        var path = Path.Combine(Root, Name, Volume, "dump.tar.zst");
        var bytes = await File.ReadAllBytesAsync(path);
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] ^= 1;
            await File.WriteAllBytesAsync(path, bytes);
            await exporting.Should().ThrowAsync<CorruptArtifactException>($"byte {i} was flipped");
            bytes[i] ^= 1;
        }
    }

    private async Task<byte[]> ExportedAsync(bool volumeOnly = false)
    {
        var random = new byte[512 * 9];
        new Random(5).NextBytes(random);
        using var tar = new MemoryStream();
        using (var writer = new TarWriter(tar, TarEntryFormat.Ustar, leaveOpen: true))
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "f") { DataStream = new MemoryStream(
                random[..(volumeOnly ? 60 : random.Length)]) });
        }

        tar.Position = 0;
        await WriteAsync(tar);
        if (!volumeOnly)
        {
            await using var dump = File.OpenRead(Fixtures.Path("crio-counter.tar"));
            await Store.WriteAsync(Pod, Id, "main", dump, new Origin(), new Progress<long>(), CancellationToken.None);
        }

        Store.Seal(Pod, Id, volumeOnly ? [Volume] : [Volume, "main"]);
        return await ExportAsync();
    }

    private async Task<byte[]> ExportAsync()
    {
        using var stream = new MemoryStream();
        await new CheckpointExport(Root, TimeProvider.System).WriteAsync(Pod, Id, stream, CancellationToken.None);
        return stream.ToArray();
    }

    private Task<ImportResult> ImportAsync(byte[] file) =>
        new CheckpointImport(Out, TimeProvider.System).ReadAsync(new MemoryStream(file), CancellationToken.None);

    private async Task Refused<T>(byte[] file, string message)
        where T : Exception
    {
        var before = Content(Out);
        var importing = () => ImportAsync(file);
        (await importing.Should().ThrowAsync<T>()).WithMessage(message);
        Content(Out).Should().BeEquivalentTo(before);
        Directory.GetFileSystemEntries(Path.GetDirectoryName(Out)!).Should().BeEquivalentTo([Out, Root]);
    }

    private static Dictionary<string, string> Content(string root) =>
        new DirectoryInfo(root)
            .EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(entry => entry.Name != ".lock")
            .ToDictionary(
            entry => Path.GetRelativePath(root, entry.FullName),
            entry => entry is FileInfo ? Convert.ToBase64String(File.ReadAllBytes(entry.FullName)) : "");

    private static byte[] Repacked(
        byte[] file, Func<IEnumerable<string>, IEnumerable<string>> order, Func<string, string>? rename = null)
    {
        var contents = new Dictionary<string, byte[]>();
        using (var reader = new TarReader(new MemoryStream(file)))
        {
            while (reader.GetNextEntry(copyData: true) is { } entry)
            {
                contents[entry.Name] = ((MemoryStream)entry.DataStream!).ToArray();
            }
        }

        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, leaveOpen: true))
        {
            foreach (var name in order(contents.Keys.ToList()))
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, rename?.Invoke(name)
                    ?? name) { DataStream = new MemoryStream(contents[name]) });
            }
        }

        return stream.ToArray();
    }
}
