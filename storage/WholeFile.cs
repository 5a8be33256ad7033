namespace PodCheckpointing.Storage;

/// <summary>Small files that are whole or absent: written beside their place, synced, renamed, their folder synced.</summary>
internal static class WholeFile
{
    /// <summary>Writes one that has one writer, over what stands there.</summary>
    public static void Write(string path, byte[] content) => WriteAndMove(path + ".partial", path, content, overwrite: true);

    /// <summary>Writes one that several may write at once; the first one wins unless it is to be overwritten.</summary>
    public static void Create(string path, byte[] content, bool overwrite) =>
        WriteAndMove($"{path}.{Guid.NewGuid():n}.partial", path, content, overwrite);

    private static void WriteAndMove(string partial, string path, byte[] content, bool overwrite)
    {
        try
        {
            using (var file = new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None))
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
