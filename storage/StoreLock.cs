using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PodCheckpointing.Storage;

/// <summary>Locks on names in a store, shared or exclusive; they die with their holder.</summary>
/// <remarks>
/// One file in the store's root, one byte of it for each name: no lock ever has to be made or removed beside what it
/// protects, and a folder can be moved or removed while its lock is held. The locks belong to open file descriptions:
/// they count between threads, between processes, and between nodes where the volume's server keeps locks (NFS 4 always
/// does).
/// </remarks>
internal sealed class StoreLock : IDisposable
{
    /// <summary>The file, in the store's root. It is never removed.</summary>
    public const string FileName = ".lock";

    private readonly SafeFileHandle _file;

    private StoreLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes a lock.</summary>
    /// <exception cref="StoreInUseException">Somebody else holds it.</exception>
    /// <exception cref="IOException">The volume keeps no locks.</exception>
    public static StoreLock Take(string root, string name, bool exclusive) => Try(root, name, exclusive)
        ?? throw new StoreInUseException(exclusive
            ? $"{name} is in use: somebody writes or removes it at this moment"
            : $"{name} is being removed, moved or imported at this moment");

    /// <summary>Takes a lock; null when somebody else holds it.</summary>
    /// <exception cref="IOException">The volume keeps no locks.</exception>
    public static StoreLock? Try(string root, string name, bool exclusive)
    {
        var path = Path.Combine(root, FileName);
        var file = Posix.OpenUnlocked(path, write: true);
        try
        {
            if (Posix.TryLock(file, path, PlaceOf(name), exclusive))
            {
                return new StoreLock(file);
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }

        file.Dispose();
        return null;
    }

    /// <summary>Whether somebody holds a lock; takes and makes nothing.</summary>
    public static bool IsHeld(string root, string name)
    {
        var path = Path.Combine(root, FileName);
        if (!Posix.Exists(path))
        {
            return false;
        }

        using var file = Posix.OpenUnlocked(path, write: false);
        return Posix.IsLocked(file, path, PlaceOf(name));
    }

    /// <summary>When <see cref="VolumeTime"/> was last asked for, by anybody; at
    /// first, when the file was made.</summary>
    public DateTimeOffset Stamped() => File.GetLastWriteTimeUtc(_file);

    /// <summary>The time by the clock of the volume, which may be a server's: what it stamps a write with.</summary>
    public DateTimeOffset VolumeTime()
    {
        RandomAccess.Write(_file, "\n"u8, 0);
        RandomAccess.FlushToDisk(_file);
        return File.GetLastWriteTimeUtc(_file);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private static long PlaceOf(string name) =>
        BinaryPrimitives.ReadInt64LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(name))) & (long.MaxValue >> 1);
}
