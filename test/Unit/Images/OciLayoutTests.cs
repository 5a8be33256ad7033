using System.Security.Cryptography;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Images;
using PodCheckpointing.Storage.Maintenance;
using PodCheckpointing.Unit.Storage;

namespace PodCheckpointing.Unit.Images;

public sealed class OciLayoutTests : StoreFolder
{
    private CheckpointImages _images = null!;

    private string Dump => Path.Combine(Root, Pod, Id, "c", "dump.tar.zst");

    [SetUp]
    public async Task Dump_a_container()
    {
        _images = new CheckpointImages(Store);
        await using var tar = File.OpenRead(Fixtures.Path("crio-counter.tar"));
        await Store.WriteAsync(
            Pod, Id, "c", tar, new Origin { PodName = "counter" }, new Progress<long>(), CancellationToken.None);
        Store.Seal(Pod, Id, ["c"]);
    }

    [Test]
    public async Task The_dump_says_which_engine_took_it() =>
        (await DescribeAsync()).Annotations["org.criu.checkpoint.engine.name"].Should().Be("cri-o");

    [Test]
    public async Task On_the_same_volume_the_layer_is_the_dump_itself_under_another_name()
    {
        var image = await DescribeAsync();

        var layout = await WriteAsync(image, _images.FolderOf(image));

        layout.Layer.Should().Be(LayerOrigin.Linked);
        layout.Folder.Should().Be(Path.Combine(Root, Pod, Id, "c", "image"));
        // One file: what is written to the one is read from the other.
        File.AppendAllText(Dump, "x");
        new FileInfo(Blob(layout.Folder, image.LayerDigest)).Length.Should().Be(image.LayerSize + 1);
    }

    [Test]
    public async Task On_another_file_system_the_layer_is_a_copy()
    {
        var elsewhere =
            Directory.CreateDirectory(Path.Combine("/dev/shm", "layout-" + Guid.NewGuid().ToString("n"))).FullName;
        try
        {
            var image = await DescribeAsync();

            var layout = await WriteAsync(image, elsewhere);

            layout.Layer.Should().Be(LayerOrigin.Copied);
            File.ReadAllBytes(Blob(elsewhere, image.LayerDigest)).Should().Equal(File.ReadAllBytes(Dump));
        }
        finally
        {
            Directory.Delete(elsewhere, recursive: true);
        }
    }

    [Test]
    public async Task Every_blob_is_what_its_name_says_and_nobody_else_may_read_it()
    {
        var image = await DescribeAsync();
        await WriteAsync(image, Out);

        var blobs = Directory.GetFiles(Path.Combine(Out, "blobs", "sha256"));

        blobs.Should().HaveCount(3).And.AllSatisfy(blob =>
        {
            Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(blob))).Should().Be(Path.GetFileName(blob));
            File.GetUnixFileMode(blob).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        });
        File.ReadAllText(Path.Combine(Out, "oci-layout")).Should().Be("{\"imageLayoutVersion\":\"1.0.0\"}");
    }

    [Test]
    public async Task A_second_time_nothing_changes()
    {
        var image = await DescribeAsync();
        await WriteAsync(image, Out);
        var before = Files();

        (await WriteAsync(image, Out)).Layer.Should().Be(LayerOrigin.Present);

        Files().Should().Equal(before);

        IEnumerable<(string, DateTime, long)> Files() =>
            [.. new DirectoryInfo(Out)
                .EnumerateFiles("*", SearchOption.AllDirectories)
                .Select(f => (f.FullName, f.LastWriteTimeUtc, f.Length))
                .Order()];
    }

    [Test]
    public async Task A_dump_that_is_not_what_its_manifest_says_becomes_no_image()
    {
        var image = await DescribeAsync();
        var bytes = File.ReadAllBytes(Dump);
        bytes[^5] ^= 1;
        File.WriteAllBytes(Dump, bytes);

        var writing = () => WriteAsync(image, Out);

        (await writing.Should().ThrowAsync<CorruptArtifactException>()).WithMessage("*compressed digest*");
        Directory.GetFiles(Out, "*", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Test]
    public async Task A_dump_of_another_length_is_not_opened()
    {
        var image = await DescribeAsync();
        File.AppendAllText(Dump, "x");

        var opening = () => _images.OpenLayer(image).Dispose();

        opening.Should().Throw<CorruptArtifactException>().WithMessage($"*has {image.LayerSize + 1} bytes*");
    }

    [Test]
    public async Task What_is_not_sealed_is_no_image()
    {
        File.Delete(Path.Combine(Root, Pod, Id, ".checkpoint-complete"));

        await FluentActions.Awaiting(DescribeAsync).Should().ThrowAsync<CorruptArtifactException>();
    }

    [Test]
    public async Task What_is_gone_meanwhile_gets_no_layout()
    {
        var image = await DescribeAsync();
        Store.Delete(Pod, Id, null);

        await FluentActions.Awaiting(() => WriteAsync(image, _images.FolderOf(image)))
            .Should().ThrowAsync<CorruptArtifactException>();

        Directory.GetDirectories(Root).Should().BeEmpty();
    }

    [Test]
    public async Task The_layout_goes_with_the_checkpoint_and_holds_no_bytes_back()
    {
        var image = await DescribeAsync();
        var used = Used();
        await WriteAsync(image, _images.FolderOf(image));

        Used().Should().BeInRange(used + 1, used + 2000, "oci-layout and index.json, and no second dump");
        Store.Delete(Pod, Id, null).Should().BeInRange(used + 1, used + 2000);

        Directory.GetDirectories(Root).Should().BeEmpty();
    }

    private long Used() => new StoreInspection(Root, TimeProvider.System).Find(Pod, Id)!.Bytes;

    private Task<OciImage> DescribeAsync() => _images.DescribeAsync(Pod, Id, "c", CancellationToken.None);

    private Task<OciLayout> WriteAsync(OciImage image, string folder) =>
        _images.WriteLayoutAsync(image, folder, "localhost/c:1", "1", CancellationToken.None);

    private static string Blob(string folder, string digest) => Path.Combine(folder, "blobs", digest.Replace(':', '/'));
}
