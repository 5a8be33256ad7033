using System.IO.Compression;
using System.Text;

namespace PodCheckpointing.Storage.Archives;

/// <summary>What a layer changes in the root file system that it lies on: an OCI layer with its
/// whiteouts, or a plain tar.</summary>
/// <remarks>
/// Of what is extracted by another program, nothing may be read in two ways: every header is written anew, in the one
/// form that has no dialects (pax, POSIX.1-2001). Names are bytes; here each character is one of them (Latin-1).
/// Source: https://github.com/opencontainers/image-spec/blob/main/layer.md
/// </remarks>
/// <param name="Folders">Every folder that it makes something in, those above it before it, the root itself not: behind
/// "=" those that have to be there, behind "+" those that it makes, also where something else stands.</param>
/// <param name="Gone">What was deleted; it goes before anything is extracted.</param>
/// <param name="Others">What it makes that is no folder.</param>
public sealed record LayerChanges(
    IReadOnlyList<string> Folders, IReadOnlyList<string> Gone, IReadOnlyList<string> Others)
{
    /// <summary>Names are kept until the end: an archive of little size may have many.</summary>
    private const long LargestNames = 32 << 20;

    private const string Whiteout = ".wh.";
    private const string Opaque = ".wh..wh..opq";
    private const int Piece = 128 << 10;

    // ENOSPC, as .NET has it.
    private const int NoSpace = 28;

    /// <summary>Unpacks a layer into a plain tar of what is to be made.</summary>
    /// <param name="layer">The layer, plain or gzip; can be sought in.</param>
    /// <param name="tar">Is given the tar; it has no whiteouts.</param>
    /// <param name="omitted">Files of the root that are somebody else's, as etc/hosts: what the layer
    /// says of them does not count.</param>
    /// <param name="largest">Bytes of the tar after which it gives up: what is packed may
    /// become a thousand times as much.</param>
    /// <exception cref="CorruptArtifactException">It is no layer, is cut short, leads outside, or holds
    /// what cannot be restored.</exception>
    /// <exception cref="IOException">There is no room for it.</exception>
    public static LayerChanges Unpack(Stream layer, Stream tar, IReadOnlySet<string> omitted, long largest)
    {
        using var plain = Plain(layer);
        var changes = new Visitor(new PaxWriter(tar), omitted);
        var parser = new TarParser(changes);
        var buffer = new byte[Piece];
        try
        {
            while (!parser.AtEnd && plain.Read(buffer) is > 0 and var read)
            {
                parser.Take(buffer.AsSpan(0, read));
                if (Math.Max(parser.Position, tar.Position) > largest)
                {
                    throw new IOException(
                        $"the layer unpacks to more than the {largest} bytes that there is room for", NoSpace);
                }
            }
        }
        catch (InvalidDataException exception)
        {
            throw new CorruptArtifactException($"the layer is no gzip: {exception.Message}", exception);
        }

        return parser.AtEnd
            ? changes.Finish()
            : throw new CorruptArtifactException("the layer is cut short: it has no end marker");
    }

    private static Stream Plain(Stream layer)
    {
        var magic = new byte[2];
        var read = layer.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false);
        layer.Seek(-read, SeekOrigin.Current);
        return magic is [0x1f, 0x8b] ? new GZipStream(layer, CompressionMode.Decompress, leaveOpen: true) : layer;
    }

    private sealed class Visitor(PaxWriter tar, IReadOnlySet<string> omitted) : IArchiveVisitor
    {
        // What stands before a folder's name in Folders.
        private const char Needed = '=';
        private const char Made = '+';
        private readonly HashSet<string> _known = new(StringComparer.Ordinal);
        private readonly HashSet<string> _others = new(StringComparer.Ordinal);
        private readonly List<string> _folders = [];
        private readonly List<string> _gone = [];
        private long _names;
        private string? _checked;
        private bool _kept;

        public void Begin(ArchiveEntry entry)
        {
            _kept = false;
            // Some archivers write whole paths.
            entry = entry with
            {
                RawName = Relative(entry.RawName),
                RawLinkName = entry.Type == ArchiveEntryType.HardLink ? Relative(entry.RawLinkName) : entry.RawLinkName,
            };
            var parts = Parts(entry.RawName);
            if (parts.Length == 0)
            {
                // The root itself is the runtime's.
                return;
            }

            if (parts[^1] == Opaque)
            {
                Lose(entry, parts[..^1]);
            }
            else if (parts[^1].StartsWith(Whiteout, StringComparison.Ordinal))
            {
                Lose(entry, [.. parts[..^1], parts[^1][Whiteout.Length..]]);
            }
            else if (!omitted.Contains(string.Join('/', parts)))
            {
                Keep(entry, parts);
            }
        }

        public void Data(ReadOnlySpan<byte> bytes)
        {
            if (_kept)
            {
                tar.Data(bytes);
            }
        }

        public void End()
        {
            if (_kept)
            {
                tar.End();
            }
        }

        public LayerChanges Finish()
        {
            tar.Finish();
            // A name with a line break stands in no list of lines. It is made all the same; only a
            // folder of the image stays in its way.
            return new LayerChanges(_folders, _gone, [.. _others.Where(o => !o.Contains('\n'))]);
        }

        private void Keep(ArchiveEntry entry, string[] parts)
        {
            AddFolders(entry, parts[..^1]);
            var name = string.Join('/', parts);
            switch (entry.Type)
            {
                case ArchiveEntryType.Other:
                    throw new CorruptArtifactException(
                        $"the layer holds {entry.Name}, which is of no kind that can be restored");
                case ArchiveEntryType.Directory when !_others.Contains(name):
                    AddFolder(Made, OfOneLine(entry, name));
                    break;
                case ArchiveEntryType.Directory:
                    throw Refused(entry, "which it makes as something else, too");
                case ArchiveEntryType.HardLink when Parts(entry.RawLinkName) is var target:
                    AddFolders(entry, target is [.. var folders, _]
                        ? folders
                        : throw Refused(entry, "a link to a folder"));
                    AddOther(entry, name);
                    break;
                default:
                    AddOther(entry, name);
                    break;
            }

            tar.Begin(entry);
            _kept = true;
        }

        private void Lose(ArchiveEntry entry, string[] parts)
        {
            if (parts is [.., "" or "." or ".."])
            {
                throw Refused(entry, "a whiteout of nothing");
            }

            if (parts.Length > 0)
            {
                _gone.Add(Counted(OfOneLine(entry, string.Join('/', parts))));
            }
        }

        /// <summary>Folders that something is made in. One that the layer has made as something else, a link perhaps,
        /// is none: that would lead wherever it leads.</summary>
        private void AddFolders(ArchiveEntry entry, string[] parts)
        {
            var innermost = string.Join('/', parts);
            if (innermost == _checked)
            {
                return;
            }

            OfOneLine(entry, innermost);
            for (var length = innermost.IndexOf('/'); ; length = innermost.IndexOf('/', length + 1))
            {
                var folder = length < 0 ? innermost : innermost[..length];
                if (_others.Contains(folder))
                {
                    throw Refused(entry, $"a path through {folder}, which it makes as something else than a folder");
                }

                AddFolder(Needed, folder);
                if (length < 0)
                {
                    break;
                }
            }

            _checked = innermost;
        }

        private void AddFolder(char mark, string folder)
        {
            if (folder.Length > 0 && _known.Add(folder))
            {
                _folders.Add(mark + Counted(folder));
            }
        }

        private void AddOther(ArchiveEntry entry, string name)
        {
            if (_known.Contains(name))
            {
                throw Refused(entry, "which it makes as a folder, too");
            }

            if (_others.Add(Counted(name)))
            {
                _checked = null;
            }
        }

        private string Counted(string name) => (_names += name.Length) <= LargestNames
            ? name
            : throw new CorruptArtifactException($"the layer holds names of more than {LargestNames} bytes");

        private static ReadOnlyMemory<byte> Relative(ReadOnlyMemory<byte> name) => name.TrimStart((byte)'/');

        private static string[] Parts(ReadOnlyMemory<byte> name) =>
            [.. Tree.Parts(name).Select(part => Encoding.Latin1.GetString(part.AsSpan().TrimEnd((byte)0)))];

        private static string OfOneLine(ArchiveEntry entry, string path) =>
            path.Contains('\n') ? throw Refused(entry, "a path with a line break, which cannot be restored") : path;

        private static CorruptArtifactException Refused(ArchiveEntry entry, string why) =>
            new($"the layer holds {entry.Name}, {why}");
    }
}
