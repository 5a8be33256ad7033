namespace PodCheckpointing.Storage;

/// <summary>Small files that are whole or absent: written beside their place, synced, renamed, their folder synced.</summary>
internal static class WholeFile
{
    /// <summary>Writes one that has one writer, over what stands there.</summary>
    public static void Write(string path, byte[] content) => WriteAndMove(path + ".partial", path, content, overwrite: true);

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
