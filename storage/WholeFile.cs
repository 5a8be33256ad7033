namespace PodCheckpointing.Storage;

/// <summary>Small files that are whole or absent: written beside their place, synced, renamed, their folder synced.</summary>
internal static class WholeFile
{
    /// <summary>Writes one that has one writer, over what stands there.</summary>
    public static void Write(string path, byte[] content) => WriteAndMove(Partial(path), path, content, overwrite: true);

    /// <summary>Lets readers have a look at what <see cref="Write"/> is about to make whole: not synced, and under another name.
    /// Where that fails, there is nothing to see; writing it will tell why.</summary>
    public static void Announce(string path, byte[] content)
    {
        try
        {
            using var file = Open(Partial(path), FileMode.Create);
            file.Write(content);
        }
        catch (IOException)
        {
            Withdraw(path);
        }
    }

    /// <summary>Takes an announcement back.</summary>
    public static void Withdraw(string path) => File.Delete(Partial(path));

    /// <summary>What was announced, whole or not; null where nothing is. Never locks it, which would be in its writer's way.</summary>
    public static byte[]? Announced(string path)
    {
        try
        {
            using var file = Posix.OpenUnlocked(Partial(path), write: false);
            var content = new byte[RandomAccess.GetLength(file)];
            return content[..RandomAccess.Read(file, content, 0)];
        }
        catch (IOException)
        {
            // There is none, or it has just become whole.
            return null;
        }
    }

    /// <summary>Writes one that several may write at once; the first one wins unless it is to be overwritten.</summary>
    public static void Create(string path, byte[] content, bool overwrite) =>
        WriteAndMove($"{path}.{Guid.NewGuid():n}.partial", path, content, overwrite);

    /// <summary>Opens a file for its one writer; nobody but its owner may read it.</summary>
    public static FileStream Open(string path, FileMode mode) => new(path, new FileStreamOptions
    {
        Mode = mode,
        Access = FileAccess.Write,
        Share = FileShare.None,
        BufferSize = 0,
        UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    });

    private static string Partial(string path) => path + ".partial";

    private static void WriteAndMove(string partial, string path, byte[] content, bool overwrite)
    {
        try
        {
            using (var file = Open(partial, FileMode.Create))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite);
        }
        catch (IOException) when (!overwrite && File.Exists(path))
        {
            // Somebody else was first.
            File.Delete(partial);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }

        Posix.SyncDirectory(Path.GetDirectoryName(path)!);
    }
}
