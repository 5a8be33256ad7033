using NUnit.Framework;
using PodCheckpointing.Agent.Images;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Images;

namespace PodCheckpointing.Component.Images;

/// <summary>A store with one sealed checkpoint of a real container, and the image of it.</summary>
internal abstract class ImageFixture
{
    protected const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    protected const string Id = "20261121t003412z-7f3a9c";
    protected const string Uri = $"shared://{Pod}/{Id}/counter/dump.tar.zst";

    protected string Folder { get; private set; } = null!;

    protected string StoreRoot => Path.Combine(Folder, "store");

    protected string Dump => Path.Combine(StoreRoot, Pod, Id, "counter", "dump.tar.zst");

    protected static string Tar => Path.Combine(Parts.Root, "test", "Data", "crio-counter.tar");

    protected CheckpointImages Images { get; private set; } = null!;

    protected OciImage Image { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task DumpAsync()
    {
        await Parts.InstallAsync();
        Folder = Directory.CreateTempSubdirectory("pod-checkpointing-images").FullName;
        Directory.CreateDirectory(StoreRoot);
        var store = new CheckpointStore(StoreRoot, TimeProvider.System);
        await using (var tar = File.OpenRead(Tar))
        {
            await store.WriteAsync(Pod, Id, "counter", tar, Origin, new Progress<long>(), CancellationToken.None);
        }

        store.Seal(Pod, Id, ["counter"]);
        Images = new CheckpointImages(store);
        Image = await Images.DescribeAsync(Pod, Id, "counter", CancellationToken.None);
    }

    [OneTimeTearDown]
    public void RemoveFolder() => Directory.Delete(Folder, recursive: true);

    protected static Origin Origin => new()
    {
        PodNamespace = "default",
        PodName = "counter",
        ImageReference = "localhost/busybox:1",
        ImageID = "64f66f1409e7078f1509f7955e337cc77d33a238cb686aa3a937e17918520f36",
        Runtime = "crun 1.28",
        CriuVersion = "4.2.1",
        Architecture = "amd64",
    };

    protected static ImageOptions Quick(Action<ImageOptions>? change = null)
    {
        var options =
            new ImageOptions { Retries = 4, RetryDelay = TimeSpan.FromMilliseconds(50), PieceSize = 16 << 10 };
        change?.Invoke(options);
        return options;
    }

    protected async Task<long> PushAsync(string reference, ImageOptions options, CheckpointImages? images = null)
    {
        var name = ImageReference.Parse(reference);
        using var connection = new RegistryConnection(name, options, TimeProvider.System);
        return await new RegistryPush(connection, images ?? Images, options.PieceSize).PushAsync(
            Image, name.Tag, CancellationToken.None);
    }
}
