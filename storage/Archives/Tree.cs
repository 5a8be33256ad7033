using System.Runtime.InteropServices;
using System.Text;
using static PodCheckpointing.Storage.Archives.TreeCalls;

namespace PodCheckpointing.Storage.Archives;

/// <summary>A folder below which names are resolved part by part and no link is ever followed.</summary>
/// <remarks>
/// Each part is opened in the folder before it, with O_NOFOLLOW: whatever an archive, or somebody beside us, puts in
/// the way, nothing outside is reached.
/// </remarks>
internal sealed class Tree : IDisposable
{
    // PATH_MAX: a longer one would be hundreds of folders within each other, which little can walk again.
    private const int LongestPath = 4095;

    /// <summary>A folder of which an archive shows no more than that something lies in it.</summary>
    private const UnixFileMode ImpliedFolder = WholeFile.OwnersFolder
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private readonly string _path;
    private readonly int _root;
    private byte[] _parentName = [];
    private int _parent = -1;

    public Tree(string path)
    {
        _path = path;
        _root = open(Z(path), PathOnly | FolderOnly | CloseOnExec);
        Check(_root, path);
    }

    /// <summary>The parts of an entry's name; none for the folder itself.</summary>
    /// <exception cref="CorruptArtifactException">It leads outside.</exception>
    public static List<byte[]> Parts(ReadOnlyMemory<byte> name)
    {
        var span = name.Span;
        if (span.Length > LongestPath)
        {
            throw new CorruptArtifactException($"the archive holds a path of {span.Length} bytes");
        }

        var parts = new List<byte[]>();
        foreach (var range in span.Split((byte)'/'))
        {
            var part = span[range];
            if (part.SequenceEqual(".."u8))
            {
                throw Outside(name);
            }

            if (part.Length > 0 && !part.SequenceEqual("."u8))
            {
                parts.Add(Z(part));
            }
        }

        return span.StartsWith((byte)'/') || span.Contains((byte)0) ? throw Outside(name) : parts;
    }

    /// <summary>The folder that a name lies in.</summary>
    /// <remarks>The descriptor is good until the next call.</remarks>
    public int ParentOf(List<byte[]> parts) => ParentOf(parts, OpenFolder);

    /// <summary>The folder that a name lies in; made, with those above it, where it is missing.</summary>
    /// <remarks>The descriptor is good until the next call.</remarks>
    public int MakeParentOf(List<byte[]> parts) => ParentOf(parts, MakeFolder);

    private int ParentOf(List<byte[]> parts, Func<int, byte[], int> enter)
    {
        byte[] name = [.. parts.SkipLast(1).SelectMany(p => p)];
        if (_parent >= 0 && _parentName.AsSpan().SequenceEqual(name))
        {
            return _parent;
        }

        CloseParent();
        var folder = _root;
        foreach (var part in parts.SkipLast(1))
        {
            var above = folder;
            try
            {
                folder = enter(above, part);
            }
            finally
            {
                if (above != _root)
                {
                    _ = close(above);
                }
            }
        }

        (_parent, _parentName) = (folder, name);
        return folder;
    }

    /// <summary>Opens a folder in a folder, never through a link.</summary>
    public static int OpenFolder(int folder, byte[] name) =>
        TryOpen(folder, name) is var found and >= 0 ? found : throw Missing(name, Marshal.GetLastPInvokeError());

    private static int MakeFolder(int folder, byte[] name)
    {
        var found = TryOpen(folder, name);
        if (found >= 0 || Marshal.GetLastPInvokeError() != Enoent)
        {
            return found >= 0 ? found : throw Missing(name, Marshal.GetLastPInvokeError());
        }

        Check(mkdirat(folder, name, (uint)ImpliedFolder), Text(name));
        return OpenFolder(folder, name);
    }

    private static int TryOpen(int folder, byte[] name) =>
        openat(folder, name, PathOnly | FolderOnly | NoFollow | CloseOnExec, 0);

    private static Exception Missing(byte[] name, int error) => error switch
    {
        Enotdir or Eloop => new CorruptArtifactException($"the archive leads through {Text(name)}, which is no folder"),
        Enoent => new CorruptArtifactException($"the archive names {Text(name)}, which it does not hold"),
        _ => Failure(Text(name), error),
    };

    public static string Text(byte[] name) => Encoding.UTF8.GetString(name.AsSpan(0, name.Length - 1));

    /// <summary>A path that the kernel resolves to the name in that folder, for calls
    /// that know no descriptors.</summary>
    public static byte[] ByDescriptor(
        int folder, byte[] name) => [.. Encoding.ASCII.GetBytes($"/proc/self/fd/{folder}/"), .. name];

    public string Describe(ArchiveEntry entry) => Path.Combine(_path, entry.Path);

    public void Dispose()
    {
        CloseParent();
        _ = close(_root);
    }

    private void CloseParent()
    {
        if (_parent >= 0 && _parent != _root)
        {
            _ = close(_parent);
        }

        _parent = -1;
    }

    private static CorruptArtifactException Outside(ReadOnlyMemory<byte> name) =>
        new($"the archive holds the path {Encoding.UTF8.GetString(name.Span)}, which leads outside");
}
