using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Tool;

namespace PodCheckpointing.Component.Store;

/// <summary>Programs that others wrote read what we store.</summary>
public sealed class ForeignReaderTests
{
    private const string Pod = "c225e396-1493-4dea-9686-b6399e54f455";
    private const string Id = "20261121t003412z-7f3a9c";
    private string _folder = null!;
    private string _dump = null!;

    [SetUp]
    public async Task StoreAsync()
    {
        _folder = Directory.CreateTempSubdirectory("store").FullName;
        Directory.CreateDirectory(Path.Combine(_folder, "root"));
        var store = new CheckpointStore(
            Path.Combine(_folder, "root"), TimeProvider.System, new StoreOptions { FrameSize = 64 << 10 });
        await using var tar = File.OpenRead(StoragePeers.Source("Data", "crio-counter.tar"));
        var manifest =
            await store.WriteAsync(Pod, Id, "counter", tar, new Origin(), new Progress<long>(), CancellationToken.None);
        manifest.Frames.Count.Should().BeGreaterThan(2, "a reader has to go from frame to frame");
        store.Seal(Pod, Id, ["counter"]);
        _dump = Path.Combine(_folder, "root", Pod, Id, "counter", "dump.tar.zst");
    }

    [TearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Zstd_finds_every_frame_whole() => await StoragePeers.RunAsync("zstd", "-q", "-t", _dump);

    [Test]
    public async Task Tar_lists_what_the_runtime_wrote()
    {
        var theirs = await StoragePeers.RunAsync("tar", "tf", StoragePeers.Source("Data", "crio-counter.tar"));
        (await StoragePeers.RunAsync("tar", "--zstd", "-tf", _dump)).Should().Be(theirs);
    }

    [Test]
    public async Task Tar_lists_an_exported_checkpoint()
    {
        var file = await ExportAsync($"{Pod}/{Id}");
        (await StoragePeers.RunAsync("tar", "tf", file)).Should().Be(
            $"{Pod}/{Id}/counter/manifest.json\n{Pod}/{Id}/counter/dump.tar.zst\n{Pod}/{Id}/.checkpoint-complete\n");
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task Checkpointctl_reads_the_exported_archive_and_the_stored_one(bool exported)
    {
        var checkpointctl = await StoragePeers.CheckpointctlAsync();
        var archive = exported ? await ExportAsync($"{Pod}/{Id}/counter") : _dump;

        (await StoragePeers.RunAsync(checkpointctl, "show", archive))
            .Should().MatchRegex(@"counter +localhost/busybox:1 +9114cb62e4ee +crun .* CRI-O");

        var inspected =
            JsonNode.Parse(
                await StoragePeers.RunAsync(checkpointctl, "inspect", "--all", "--format=json", archive))![0]!;
        inspected["container_name"]!.GetValue<string>().Should().Be("counter");
        inspected["statistics"]!["pages_written"]!.GetValue<int>().Should().Be(35);
        inspected["process_tree"]!.ToJsonString().Should().Contain("usleep");
    }

    private async Task<string> ExportAsync(string name)
    {
        var file = Path.Combine(_folder, "exported.tar");
        using var errors = new StringWriter();
        var code = await new StoreCommand(TextWriter.Null, errors, TimeProvider.System)
            .RunAsync(["export", Path.Combine(_folder, "root"), name, file], CancellationToken.None);
        code.Should().Be(0, errors.ToString());
        return file;
    }
}
