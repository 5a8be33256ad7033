using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Storage;

/// <summary>An artifact that may still be written, read on from where the last read ended; opened when it is read, and
/// anew after it was closed.</summary>
internal sealed class FollowedArtifact(string path) : IDisposable
{
    private SafeFileHandle? _file;

    /// <summary>How much of it has been read.</summary>
    public long Offset { get; private set; }

    /// <summary>Whether there is one, finished or not.</summary>
    public static bool IsThere(string path) => File.Exists(Partial(path)) || File.Exists(path);

    /// <summary>Reads what follows; 0 where there is nothing more yet.</summary>
    /// <exception cref="IOException">It cannot be opened, or not be read.</exception>
    public int Read(Span<byte> buffer)
    {
        _file ??= Open();
        var read = RandomAccess.Read(_file, buffer, Offset);
        Offset += read;
        return read;
    }

    /// <summary>Has the next read open it anew.</summary>
    public void Close()
    {
        _file?.Dispose();
        _file = null;
    }

    public void Dispose() => Close();

    private static string Partial(string path) => path + ".partial";

    /// <summary>Under its one name or, finished meanwhile, under the other; never locked, which would be in its
    /// writer's way.</summary>
    private SafeFileHandle Open()
    {
        try
        {
            return Posix.OpenUnlocked(Partial(path), write: false);
        }
        catch (IOException)
        {
            Posix.Renew(Path.GetDirectoryName(path)!);
            return Posix.OpenUnlocked(path, write: false);
        }
    }
}
