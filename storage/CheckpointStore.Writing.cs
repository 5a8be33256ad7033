using Microsoft.Win32.SafeHandles;
using PodCheckpointing.Storage.Archives;
using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Storage;

/// <content>How an artifact comes to stand there.</content>
public sealed partial class CheckpointStore
{
    /// <summary>Stores one container's tar. Returns what stands there already, where it does.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="checkpointId">The checkpoint.</param>
    /// <param name="container">The container, or ".volumes/" and the name of a volume.</param>
    /// <param name="tar">The tar; read up to its end marker.</param>
    /// <param name="origin">What the manifest says of it.</param>
    /// <param name="progress">Is told the bytes read so far.</param>
    /// <param name="cancellationToken">Gives up and leaves nothing.</param>
    /// <exception cref="CorruptArtifactException">The stream is no whole checkpoint archive.</exception>
    /// <exception cref="IOException">The volume fails, is full, or another writer is
    /// at it; nothing is left.</exception>
    public Task<ContainerManifest> WriteAsync(
        string podUid,
        string checkpointId,
        string container,
        Stream tar,
        Origin origin,
        IProgress<long> progress,
        CancellationToken cancellationToken) =>
        WriteAsync(podUid, checkpointId, container, tar, () => Task.FromResult(origin), progress, cancellationToken);

    /// <summary>Stores a tar that is still being written, of which not all is known yet.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="checkpointId">The checkpoint.</param>
    /// <param name="container">The container, or ".volumes/" and the name of a volume.</param>
    /// <param name="tar">The tar; read up to its end marker.</param>
    /// <param name="origin">Is asked when all bytes are on the volume, before they count. Where
    /// it throws, nothing is left.</param>
    /// <param name="progress">Is told the bytes read so far.</param>
    /// <param name="cancellationToken">Gives up and leaves nothing.</param>
    /// <exception cref="CorruptArtifactException">The stream is no whole checkpoint archive.</exception>
    /// <exception cref="IOException">The volume fails, is full, or another writer is
    /// at it; nothing is left.</exception>
    public async Task<ContainerManifest> WriteAsync(
        string podUid,
        string checkpointId,
        string container,
        Stream tar,
        Func<Task<Origin>> origin,
        IProgress<long> progress,
        CancellationToken cancellationToken)
    {
        if (Find(podUid, checkpointId, container) is { } existing)
        {
            return existing;
        }

        var folder = FolderOf(podUid, checkpointId, container);
        using var held = StoreLock.Take(_root, $"{podUid}/{checkpointId}", exclusive: false);
        MakeFolders(folder);
        var partial = Path.Combine(folder, Artifact + ".partial");
        using var opened = OpenPartial(partial);
        try
        {
            // Whoever held the lock before may have finished meanwhile.
            if (Find(podUid, checkpointId, container) is { } finished)
            {
                File.Delete(partial);
                return finished;
            }

            return await WriteAsync(
                new ContainerManifest { PodUID = podUid, CheckpointID = checkpointId, Container = container },
                folder, tar, opened, origin, progress, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            // Under the lock: the next writer must not find its own file removed.
            RemoveUnfinished(folder);
            throw;
        }
    }

    /// <summary>Bytes, then their name, then the manifest: each is durable before the next is there.</summary>
    private async Task<ContainerManifest> WriteAsync(
        ContainerManifest key,
        string folder,
        Stream tar,
        FileStream partial,
        Func<Task<Origin>> origin,
        IProgress<long> progress,
        CancellationToken cancellationToken)
    {
        var (file, manifestPath) = (partial.SafeFileHandle, Path.Combine(folder, ManifestFile));
        RandomAccess.SetLength(file, 0);
        // Of a writer that has died.
        WholeFile.Withdraw(manifestPath);
        var walker = key.Container.StartsWith(Volumes, StringComparison.Ordinal)
            ? new ArchiveWalker([], [])
            : new ArchiveWalker(Needed, Kept);
        var written = await new ArtifactWriter(_options, walker, progress)
            .WriteAsync(tar, file, partial.Name, cancellationToken).ConfigureAwait(false);
        // It takes as long as what its maker still has to do.
        var durable = Task.Run(() => Sync(file, partial.Name), CancellationToken.None);
        var manifest = written with
        {
            PodUID = key.PodUID,
            CheckpointID = key.CheckpointID,
            Container = key.Container,
            Origin = await AfterwardsAsync(origin, durable).ConfigureAwait(false),
            Entries = walker.Entries,
            Dump = DumpDescription.From(walker.ContentOf("config.dump"), walker.ContentOf("spec.dump")),
            Criu = walker.ContentOf(Statistics) is { } statistics ? CriuStatistics.From(statistics) : null,
            CreatedAt = _time.GetUtcNow().UtcDateTime,
        };
        var content = ManifestJson.Write(manifest);
        WholeFile.Announce(manifestPath, content);
        await durable.ConfigureAwait(false);
        File.Move(partial.Name, Path.Combine(folder, Artifact), overwrite: true);
        // Before the manifest can be there, the bytes have to be, under their name.
        Posix.SyncDirectory(folder);
        WholeFile.Write(manifestPath, content);
        return manifest;
    }

    private void Sync(SafeFileHandle file, string path)
    {
        if (_options.DropFromMemory)
        {
            WriteBehind.SyncAndDrop(file, path);
        }
        else
        {
            WriteBehind.Sync(file, path);
        }
    }

    /// <summary>Asks, and lets nobody close the file meanwhile.</summary>
    private static async Task<Origin> AfterwardsAsync(Func<Task<Origin>> origin, Task durable)
    {
        try
        {
            return await origin().ConfigureAwait(false);
        }
        catch
        {
            await durable.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    // FileShare.None is a lock that dies with its holder: a dead writer's leftover is taken over.
    private static FileStream OpenPartial(string path)
    {
        var file = WholeFile.Open(path, FileMode.OpenOrCreate);
        // Between our open and our lock its holder may have renamed or removed what we opened.
        var now = File.ResolveLinkTarget(
            $"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}", returnFinalTarget: false);
        if (now?.Name == Path.GetFileName(path))
        {
            return file;
        }

        file.Dispose();
        throw new IOException($"{path}: another writer has just been here");
    }

    private static void RemoveUnfinished(string folder)
    {
        try
        {
            File.Delete(Path.Combine(folder, Artifact + ".partial"));
            WholeFile.Withdraw(Path.Combine(folder, ManifestFile));
            if (!Posix.Exists(Path.Combine(folder, ManifestFile)))
            {
                File.Delete(Path.Combine(folder, Artifact));
            }
        }
        catch (IOException)
        {
            // What went wrong before is what the caller has to know; the sweep finds the rest.
        }
    }
}
