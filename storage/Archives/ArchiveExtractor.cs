using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static PodCheckpointing.Storage.Archives.TreeCalls;

namespace PodCheckpointing.Storage.Archives;

/// <summary>Makes what an archive holds below a folder.</summary>
internal sealed class ArchiveExtractor(string folder, ExtractionOptions options) : IArchiveVisitor, IDisposable
{
    private readonly Tree _tree = new(folder);
    private readonly Stack<(List<byte[]> Parts, ArchiveEntry Entry)> _folders = [];
    private SparseFile? _file;
    private ArchiveEntry _entry = new();
    private List<byte[]> _parts = [];

    /// <summary>An entry begins.</summary>
    public void Begin(ArchiveEntry entry)
    {
        (_entry, _parts) = (entry, Tree.Parts(entry.RawName));
        if (_parts.Count == 0)
        {
            // The folder itself: it is the caller's.
            return;
        }

        // CRIU writes plain names; .NET could not even remove the others again.
        if (!options.Links && !System.Text.Unicode.Utf8.IsValid(entry.RawName.Span))
        {
            throw new CorruptArtifactException($"the archive holds {entry.Name}, a name that is not UTF-8");
        }

        while (_folders.TryPeek(out var inner) && !IsBelow(inner.Parts, _parts))
        {
            Leave();
        }

        var parent = _tree.MakeParentOf(_parts);
        switch (entry.Type)
        {
            case ArchiveEntryType.File:
                _file = new SparseFile(Create(parent), _tree.Describe(entry));
                break;
            case ArchiveEntryType.Directory:
                MakeFolder(parent);
                _folders.Push((_parts, entry));
                break;
            case ArchiveEntryType.SymbolicLink when options.Links:
                Make(parent, name => symlinkat(Z(entry.RawLinkName.Span), parent, name));
                DescribeLink(parent, entry, _parts[^1]);
                break;
            case ArchiveEntryType.HardLink when options.Links:
                Link(entry);
                break;
            case ArchiveEntryType.Fifo when options.Links:
                Make(parent, name => mknodat(parent, name, Fifo | (uint)WholeFile.OwnersFile, 0));
                Describe(parent, entry, _parts[^1]);
                break;
            case ArchiveEntryType.CharacterDevice or ArchiveEntryType.BlockDevice when options.Devices:
                var type = entry.Type == ArchiveEntryType.BlockDevice ? BlockDevice : CharacterDevice;
                var device = Device(entry.DeviceMajor, entry.DeviceMinor);
                Make(parent, name => mknodat(parent, name, type | (uint)WholeFile.OwnersFile, device));
                Describe(parent, entry, _parts[^1]);
                break;
            default:
                throw new CorruptArtifactException(
                    $"the archive holds {entry.Name} of type {entry.Type}, which is not to be extracted");
        }
    }

    /// <summary>Content of the file.</summary>
    public void Data(ReadOnlySpan<byte> bytes) => _file?.Append(bytes);

    /// <summary>The entry ends.</summary>
    public void End()
    {
        if (_file is { } file)
        {
            file.Finish();
            file.Dispose();
            _file = null;
            Describe(_tree.ParentOf(_parts), _entry, _parts[^1]);
        }
    }

    /// <summary>The archive ends.</summary>
    public void Finish()
    {
        while (_folders.Count > 0)
        {
            Leave();
        }
    }

    private static bool IsBelow(List<byte[]> folder, List<byte[]> parts)
    {
        if (parts.Count <= folder.Count)
        {
            return false;
        }

        for (var i = folder.Count - 1; i >= 0; i--)
        {
            if (!parts[i].AsSpan().SequenceEqual(folder[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Gives the innermost folder its mode and times: before, it had to be writable,
    /// and changed with every file.</summary>
    /// <remarks>When its last entry has been seen: an archive may hold millions. tar writes a folder's entries behind
    /// each other; of an archive that comes back to a folder, that folder's time is that of coming back.</remarks>
    private void Leave()
    {
        var (parts, entry) = _folders.Pop();
        Describe(_tree.ParentOf(parts), entry, parts[^1]);
    }

    public void Dispose()
    {
        _file?.Dispose();
        _tree.Dispose();
    }

    private SafeFileHandle Create(int parent)
    {
        var descriptor = -1;
        Make(parent, name => descriptor = openat(
            parent, name, WriteOnly | TreeCalls.Create | Exclusive | NoFollow | CloseOnExec,
            (uint)WholeFile.OwnersFile));
        return new SafeFileHandle(descriptor, ownsHandle: true);
    }

    private void MakeFolder(int parent)
    {
        if (mkdirat(parent, _parts[^1], (uint)WholeFile.OwnersFolder) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            if (error != Eexist)
            {
                throw Failure(_tree.Describe(_entry), error);
            }

            // Fine where it is a folder.
            _ = close(Tree.OpenFolder(parent, _parts[^1]));
        }
    }

    private void Link(ArchiveEntry entry)
    {
        var target = Tree.Parts(entry.RawLinkName);
        if (target.Count == 0)
        {
            throw new CorruptArtifactException($"the archive holds {entry.Name}, a link to a folder");
        }

        // Both parents at once: the first one is kept open under a number of its own.
        var from = OpenCopy(_tree.ParentOf(target));
        try
        {
            var parent = _tree.MakeParentOf(_parts);
            Make(parent, name => linkat(from, target[^1], parent, name, 0), missing: entry.LinkName);
        }
        finally
        {
            _ = close(from);
        }
    }

    private static int OpenCopy(int folder)
    {
        var copy = openat(folder, Z("."), PathOnly | TreeCalls.FolderOnly | CloseOnExec, 0);
        Check(copy, "a folder");
        return copy;
    }

    // Of two entries of one name the later one counts.
    private void Make(int parent, Func<byte[], int> make, string? missing = null)
    {
        var name = _parts[^1];
        for (var attempt = 0; ; attempt++)
        {
            if (make(name) >= 0)
            {
                return;
            }

            var error = Marshal.GetLastPInvokeError();
            if (error == Enoent && missing is not null)
            {
                throw new CorruptArtifactException(
                    $"the archive holds {_entry.Name}, a link to {missing}, which it does not hold");
            }

            if (error != Eexist || attempt > 0)
            {
                throw Failure(_tree.Describe(_entry), error);
            }

            if (unlinkat(parent, name, 0) < 0)
            {
                error = Marshal.GetLastPInvokeError();
                throw error == Eisdir
                    ? new CorruptArtifactException($"the archive holds {_entry.Name} twice, once as a folder")
                    : Failure(_tree.Describe(_entry), error);
            }
        }
    }

    private void Describe(int parent, ArchiveEntry entry, byte[] name)
    {
        GiveOwner(parent, entry, name);
        // We have just made it and it is no link, which this call would follow.
        Check(fchmodat(parent, name, (uint)entry.Mode, 0), _tree.Describe(entry));
        GiveAttributes(parent, entry, name);
    }

    /// <summary>A link has no mode of its own.</summary>
    private void DescribeLink(int parent, ArchiveEntry entry, byte[] name)
    {
        GiveOwner(parent, entry, name);
        GiveAttributes(parent, entry, name);
    }

    private void GiveOwner(int parent, ArchiveEntry entry, byte[] name)
    {
        if (options.Owners)
        {
            Check(fchownat(parent, name, entry.UserId, entry.GroupId, SymlinkNoFollow), _tree.Describe(entry));
        }
    }

    /// <summary>And, last of all, its time.</summary>
    private void GiveAttributes(int parent, ArchiveEntry entry, byte[] name)
    {
        var what = _tree.Describe(entry);
        foreach (var (key, value) in entry.ExtendedAttributes)
        {
            // Only root may set the others.
            if (options.Owners || key.StartsWith("user.", StringComparison.Ordinal))
            {
                var path = Tree.ByDescriptor(parent, name);
                Check(lsetxattr(path, Z(key), value.Span, (nuint)value.Length, 0), $"{what} ({key})");
            }
        }

        Check(utimensat(parent, name, ModifiedAt(entry.ModifiedNanoseconds), SymlinkNoFollow), what);
    }
}
