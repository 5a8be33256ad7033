namespace PodCheckpointing.Storage.Maintenance;

/// <summary>Removes what dead writers leave: partial files, checkpoints without a marker, empty folders.</summary>
/// <remarks>
/// Nothing that a reader can see ever goes. What goes is old, by the slower of this machine's and the volume's clock,
/// and its lock is free: looked at again under the lock, so that a writer that comes back meanwhile finds its
/// checkpoint either untouched or gone. One sweep at a time on a volume.
/// </remarks>
/// <param name="root">The store's folder.</param>
/// <param name="time">The clock that ages are measured by.</param>
public sealed class StoreSweep(string root, TimeProvider time)
{
    private const string Name = ".sweep";
    private static readonly EnumerationOptions Everything = new()
    {
        RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = false,
    };

    private static readonly EnumerationOptions Here =
        new() { AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = false };
    private readonly CheckpointStore _store = new(root, time);

    /// <summary>Looks for leftovers, and removes them where the options say so.</summary>
    /// <exception cref="IOException">The volume fails, or another sweep is under way.</exception>
    public IReadOnlyList<Leftover> Run(SweepOptions options, CancellationToken cancellationToken)
    {
        if (!options.Remove)
        {
            return Run(options, time.GetUtcNow() - options.Age, cancellationToken);
        }

        using var alone =
            StoreLock.Try(root, Name, exclusive: true) ?? throw new IOException($"{root}: another sweep is under way");
        if (time.GetUtcNow() - alone.Stamped() < options.Every)
        {
            return [];
        }

        var (here, there) = (time.GetUtcNow(), alone.VolumeTime());
        return Run(options, (here < there ? here : there) - options.Age, cancellationToken);
    }

    private List<Leftover> Run(SweepOptions options, DateTimeOffset before, CancellationToken cancellationToken)
    {
        var found = new List<Leftover>();
        foreach (var file in new DirectoryInfo(root)
            .EnumerateFiles("*.partial", Here)
            .Where(file => file.LastWriteTimeUtc <= before)
            .ToList())
        {
            found.Add(Take(options, Relative(file), "a partial file of a dead process", file.Length, file.Delete));
        }

        foreach (var pod in Folders(new DirectoryInfo(root)).Where(pod => !options.UnderWay(pod.Name)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                Pod(pod, options, before, found);
            }
            catch (DirectoryNotFoundException)
            {
                // Its owner removes it at this moment.
            }
        }

        return found;
    }

    private void Pod(DirectoryInfo pod, SweepOptions options, DateTimeOffset before, List<Leftover> found)
    {
        foreach (var checkpoint in Folders(pod).Where(checkpoint => IsOurs(pod.Name, checkpoint.Name)))
        {
            Checkpoint(checkpoint, $"{pod.Name}/{checkpoint.Name}", options, before, found);
        }

        pod.Refresh();
        if (Posix.Exists(pod.FullName) && pod.LastWriteTimeUtc <= before && IsEmpty(pod))
        {
            found.Add(Take(options, pod.Name, "an empty folder", 0, () => RemoveEmpty(pod)));
        }
    }

    private void Checkpoint(
        DirectoryInfo folder, string name, SweepOptions options, DateTimeOffset before, List<Leftover> found)
    {
        // A first look without the lock: a store is mostly checkpoints that are whole.
        if (Leftovers(folder, name, options, before).Count == 0)
        {
            return;
        }

        using var held = options.Remove ? StoreLock.Try(root, name, exclusive: true) : null;
        if (options.Remove ? held is null : StoreLock.IsHeld(root, name))
        {
            found.Add(new Leftover(name, "has leftovers", 0, Removed: false, "somebody writes it at this moment"));
            return;
        }

        foreach (var (what, why, bytes) in Leftovers(folder, name, options, before))
        {
            found.Add(Take(options, Relative(what), why, bytes, () => Remove(what)));
        }

        if (options.Remove && folder.Parent is { Exists: true } pod && IsEmpty(pod))
        {
            // Its only checkpoint is gone.
            RemoveEmpty(pod);
        }
    }

    private List<(FileSystemInfo What, string Why, long Bytes)> Leftovers(
        DirectoryInfo folder, string name, SweepOptions options, DateTimeOffset before)
    {
        folder.Refresh();
        if (!Posix.Exists(folder.FullName))
        {
            return [];
        }

        var all = folder.EnumerateFileSystemInfos("*", Everything).ToList();
        var whole = Posix.Exists(Path.Combine(root, name, CheckpointStore.Marker));
        if (!whole && (options.Unfinished || all.Count == 0))
        {
            return all.Append(folder).Max(entry => entry.LastWriteTimeUtc) <= before
                ? [(folder, all.Count == 0
                    ? "an empty folder"
                    : "a checkpoint that was never completed", all.OfType<FileInfo>().Sum(file => file.Length))]
                : [];
        }

        var old = all.Where(entry => entry.LastWriteTimeUtc <= before).ToList();
        return
        [
            .. old.OfType<FileInfo>().Where(file => file.Extension == ".partial")
                .Select(file => ((FileSystemInfo)file, "a partial file of a dead writer", file.Length)),
            .. old.OfType<DirectoryInfo>()
                .Where(IsEmpty)
                .Select(empty => ((FileSystemInfo)empty, "an empty folder", 0L)),
        ];
    }

    private static Leftover Take(SweepOptions options, string path, string why, long bytes, Action remove)
    {
        if (options.Remove)
        {
            remove();
        }

        return new Leftover(path, why, bytes, options.Remove);
    }

    private static void Remove(FileSystemInfo what)
    {
        if (what is DirectoryInfo folder)
        {
            folder.Delete(recursive: true);
        }
        else
        {
            what.Delete();
        }

        Posix.SyncDirectory(Path.GetDirectoryName(what.FullName)!);
    }

    private static void RemoveEmpty(DirectoryInfo folder)
    {
        try
        {
            folder.Delete(recursive: false);
        }
        catch (IOException) when (Posix.Exists(folder.FullName) && !IsEmpty(folder))
        {
            // A writer has just moved in.
        }
    }

    private static List<DirectoryInfo> Folders(DirectoryInfo folder) =>
        [.. folder.EnumerateDirectories("*", Here).Where(child => child.Name[0] != '.').OrderBy(
            child => child.Name, StringComparer.Ordinal)];

    private static bool IsEmpty(DirectoryInfo folder) => !folder.EnumerateFileSystemInfos().Any();

    // Somebody may keep other things on the volume.
    private bool IsOurs(string pod, string checkpoint)
    {
        try
        {
            return _store.FolderOf(pod, checkpoint, null).Length > 0;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private string Relative(FileSystemInfo entry) => Path.GetRelativePath(root, entry.FullName);
}
