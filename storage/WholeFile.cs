namespace PodCheckpointing.Storage;

/// <summary>Small files that are whole or absent: written beside their place, synced,
/// renamed, their folder synced.</summary>
public static class WholeFile
{
    /// <summary>Writes one that has one writer, over what stands there.</summary>
    /// <param name="path">The file; ".partial" is appended while it is written.</param>
    /// <param name="content">All of it.</param>
    /// <exception cref="IOException">The disk fails; what stood there stands.</exception>
    public static void Write(string path, byte[] content) =>
        WriteAndMove(Partial(path), path, content, overwrite: true);

    /// <summary>Lets readers have a look at what <see cref="Write(string, byte[])"/> is about to make whole: not
    /// synced, and under another name. Where that fails, there is nothing to see; writing it will tell why.</summary>
    internal static void Announce(string path, byte[] content)
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
    internal static void Withdraw(string path) => File.Delete(Partial(path));

    /// <summary>What was announced, whole or not; null where nothing is. Never locks it, which
    /// would be in its writer's way.</summary>
    internal static byte[]? Announced(string path)
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

    /// <summary>Writes one with text in it that has one writer, over what stands there.</summary>
    /// <param name="path">The file; ".partial" is appended while it is written.</param>
    /// <param name="text">All of it.</param>
    /// <exception cref="IOException">The disk fails; what stood there stands.</exception>
    public static void Write(string path, string text) => Write(path, System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>Moves a file that is whole and synced over what stands there; both lie in one folder.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void Move(string from, string to)
    {
        File.Move(from, to, overwrite: true);
        Posix.SyncDirectory(Path.GetDirectoryName(to)!);
    }

    /// <summary>Makes the names in a folder durable.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void SyncFolder(string path) => Posix.SyncDirectory(path);

    /// <summary>The mode of folders with memory of processes, which holds their
    /// secrets: nobody else may enter.</summary>
    public const UnixFileMode OwnersFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>The mode of a file for its owner only.</summary>
    public const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes a folder, and those above it, that outlive a power failure as what
    /// is written into them does.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public static void MakeFolder(string path)
    {
        if (!Posix.Exists(path))
        {
            var parent = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(path))!;
            MakeFolder(parent);
            Directory.CreateDirectory(path);
            Posix.SyncDirectory(parent);
        }
    }

    /// <summary>Writes one that several may write at once; the first one wins unless it is to be overwritten.</summary>
    internal static void Create(string path, byte[] content, bool overwrite) =>
        WriteAndMove($"{path}.{Guid.NewGuid():n}.partial", path, content, overwrite);

    /// <summary>Opens a file for its one writer; nobody but its owner may read it.</summary>
    internal static FileStream Open(string path, FileMode mode) => new(path, new FileStreamOptions
    {
        Mode = mode,
        Access = FileAccess.Write,
        Share = FileShare.None,
        BufferSize = 0,
        UnixCreateMode = OwnersFile,
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

            if (overwrite)
            {
                File.Move(partial, path, overwrite: true);
            }
            else
            {
                // Where somebody else was first, his stands.
                Posix.TryLink(partial, path);
                File.Delete(partial);
            }
        }
        catch
        {
            File.Delete(partial);
            throw;
        }

        Posix.SyncDirectory(Path.GetDirectoryName(path)!);
    }
}
