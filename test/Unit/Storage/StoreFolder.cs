using NUnit.Framework;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Unit.Storage;

/// <summary>A store in a folder of its own, for one test.</summary>
public abstract class StoreFolder
{
    protected const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    protected const string Id = "20261121t003412z-7f3a9c";

    // No CRIU dump is expected in a volume's content: any tar will do.
    protected const string Volume = ".volumes/data";

    // For tests that write thousands of times: a disk would sync each.
    protected virtual bool InMemory => false;

    protected string Root { get; private set; } = null!;

    protected string Out { get; private set; } = null!;

    internal CheckpointStore Store { get; set; } = null!;

    [SetUp]
    public void MakeRoot()
    {
        var folder = InMemory && System.IO.Directory.Exists("/dev/shm")
            ? System.IO.Directory.CreateDirectory($"/dev/shm/store-{Guid.NewGuid():n}")
            : System.IO.Directory.CreateTempSubdirectory("store");
        Root = folder.CreateSubdirectory("root").FullName;
        Out = folder.CreateSubdirectory("out").FullName;
        Store = new CheckpointStore(Root, TimeProvider.System, new StoreOptions { Workers = 3, FrameSize = 64 << 10 });
    }

    [TearDown]
    public void RemoveRoot() => System.IO.Directory.Delete(Path.GetDirectoryName(Root)!, recursive: true);

    protected Task<ContainerManifest> WriteAsync(Stream tar, CancellationToken cancellationToken = default) =>
        Store.WriteAsync(Pod, Id, Volume, tar, new Origin(), new Progress<long>(), cancellationToken);

    protected async Task<byte[]> ReadAsync(ContainerManifest manifest)
    {
        using var result = new MemoryStream();
        await Store.Read(manifest).ReadAsync(bytes => result.WriteAsync(bytes), CancellationToken.None);
        return result.ToArray();
    }
}
