using System.Formats.Tar;
using System.IO.Compression;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Does once, at the agent's start, what the first pod would else wait for while it stands still.</summary>
/// <remarks>
/// CRIU asks the kernel what it can do, and notes that for its next runs; this process compiles what it needs to store
/// an archive and to stage it, over a folder of its own that it removes. Where any of it fails, the first pod only
/// waits longer.
/// </remarks>
internal sealed class WarmUp(
    IOptions<AgentOptions> options, TimeProvider time, ILogger<WarmUp> logger) : BackgroundService
{
    private const string Pod = "00000000-0000-0000-0000-000000000000";
    private const string Checkpoint = "19700101t000000z-000000";
    private const string Container = "none";
    private static readonly TimeSpan CommandTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Stores and stages an archive of nothing.</summary>
    public async Task RehearseAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Value.StateRoot);
        var folder = PrivateFolder.MakeEmpty(Path.Combine(options.Value.StateRoot, ".rehearsal"));
        try
        {
            var store = new CheckpointStore(Directory.CreateDirectory(Path.Combine(folder, "store")).FullName, time);
            var staged = Directory.CreateDirectory(Path.Combine(folder, "staged")).FullName;
            var begin = new TaskCompletionSource();
            var written = WriteAsync(store, begin.Task, cancellationToken);
            var following = store.Follow(Pod, Checkpoint, Container, long.MaxValue)
                .ExtractAsync(staged, ExtractionOptions.FilesOnly, written, cancellationToken);
            begin.SetResult();
            // Where the one comes to nothing, so does the other: both have ended before their folder goes.
            await Task.WhenAll(written, following);
            RootfsChanges.Prepare(staged);
            store.Seal(Pod, Checkpoint, [Container]);
            store.FindSealed(Pod, Checkpoint, Container);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Not in the way of the start.
        await Task.Yield();
        try
        {
            await Task.WhenAll(RehearseAsync(stoppingToken), NodeProcess.RunAsync(
                ["criu", "check"], feed: null, CommandTimeout, stoppingToken));
        }
        catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
        {
            AgentLog.NotRehearsed(logger, exception);
        }
    }

    private async Task<ContainerManifest> WriteAsync(
        CheckpointStore store, Task begin, CancellationToken cancellationToken)
    {
        await begin;
        using var tar = Archive();
        await using var growing = new FollowingStream(tar, Task.CompletedTask, time);
        var manifest = await store.WriteAsync(
            Pod, Checkpoint, Container, growing, () => Task.FromResult(new Origin()), new Progress<long>(),
            cancellationToken);
        return store.FindAnnounced(Pod, Checkpoint, Container) ?? manifest;
    }

    private static byte[] Layer()
    {
        using var layer = new MemoryStream();
        using (var packed = new GZipStream(layer, CompressionLevel.Fastest))
        using (var tar = new TarWriter(packed))
        {
            tar.WriteEntry(
                new PaxTarEntry(
                    TarEntryType.RegularFile, "data/file") { DataStream = new MemoryStream(new byte[100]) });
            tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "data/.wh.gone"));
        }

        return layer.ToArray();
    }

    private static MemoryStream Archive()
    {
        var archive = new MemoryStream();
        using (var tar = new TarWriter(archive, leaveOpen: true))
        {
            foreach (var (name, content) in new[]
            {
                ("checkpoint/inventory.img", new byte[100]), ("checkpoint/pages-1.img", new byte[1 << 20]),
                ("config.dump", "{}"u8.ToArray()), ("rootfs-diff.tar", Layer()), ("spec.dump", "{}"u8.ToArray()),
            })
            {
                tar.WriteEntry(
                    new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
            }
        }

        archive.Position = 0;
        return archive;
    }
}
