using System.IO.Compression;
using System.Text;

namespace PodCheckpointing.Storage.Archives;

/// <summary>What a layer changes in the root file system that it lies on: an OCI layer with its whiteouts, or a plain tar.</summary>
/// <remarks>
/// Of what is extracted by another program, nothing may be read in two ways: every header is written anew, in the one form
/// that has no dialects (pax, POSIX.1-2001). Names are bytes; here each character is one of them (Latin-1).
/// Source: https://github.com/opencontainers/image-spec/blob/main/layer.md
/// </remarks>
/// <param name="Folders">Every folder that it makes something in, those above it before it; the root itself is not named.</param>
/// <param name="Gone">What was deleted; it goes before anything is extracted.</param>
/// <param name="IsEmpty">Whether there is nothing to extract.</param>
public sealed record LayerChanges(IReadOnlyList<string> Folders, IReadOnlyList<string> Gone, bool IsEmpty)
{
    private const string Whiteout = ".wh.";
    private const string Opaque = ".wh..wh..opq";
    private const int Piece = 128 << 10;

    /// <summary>Unpacks a layer into a plain tar of what is to be made.</summary>
    /// <param name="layer">The layer, plain or gzip; can be sought in.</param>
    /// <param name="tar">Is given the tar; it has no whiteouts.</param>
    /// <param name="omitted">Files of the root that are somebody else's, as etc/hosts: what the layer says of them does not count.</param>
    /// <exception cref="CorruptArtifactException">It is no layer, is cut short, leads outside, or holds what cannot be restored.</exception>
    public static LayerChanges Unpack(Stream layer, Stream tar, IReadOnlySet<string> omitted)
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
            }
        }
        catch (InvalidDataException exception)
        {
            throw new CorruptArtifactException($"the layer is no gzip: {exception.Message}", exception);
        }

        return parser.AtEnd ? changes.Finish() : throw new CorruptArtifactException("the layer is cut short: it has no end marker");
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
        private readonly HashSet<string> _known = new(StringComparer.Ordinal);
        private readonly List<string> _folders = [];
        private readonly List<string> _gone = [];
        private bool _kept;
        private bool _any;

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

            var folder = string.Join('/', parts[..^1]);
            if (parts[^1] == Opaque)
            {
                Lose(entry, folder);
            }
            else if (parts[^1].StartsWith(Whiteout, StringComparison.Ordinal))
            {
                Lose(entry, string.Join('/', [.. parts[..^1], parts[^1][Whiteout.Length..]]));
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
            return new LayerChanges(_folders, _gone, !_any);
        }

        private void Keep(ArchiveEntry entry, string[] parts)
        {
            if (entry.Type == ArchiveEntryType.Other)
            {
                throw new CorruptArtifactException($"the layer holds {entry.Name}, which is of no kind that can be restored");
            }

            AddFolders(entry, parts[..^1]);
            if (entry.Type == ArchiveEntryType.HardLink)
            {
                AddFolders(entry, Parts(entry.RawLinkName)[..^1]);
            }

            tar.Begin(entry);
            _kept = _any = true;
        }

        private void Lose(ArchiveEntry entry, string path)
        {
            if (path.Length > 0)
            {
                _gone.Add(OfOneLine(entry, path));
            }
        }

        private void AddFolders(ArchiveEntry entry, string[] parts)
        {
            for (var i = 1; i <= parts.Length; i++)
            {
                var folder = string.Join('/', parts[..i]);
                if (_known.Add(folder))
                {
                    _folders.Add(OfOneLine(entry, folder));
                }
            }
        }

        private static ReadOnlyMemory<byte> Relative(ReadOnlyMemory<byte> name) => name.TrimStart((byte)'/');

        private static string[] Parts(ReadOnlyMemory<byte> name) =>
            [.. Tree.Parts(name).Select(part => Encoding.Latin1.GetString(part.AsSpan().TrimEnd((byte)0)))];

        private static string OfOneLine(ArchiveEntry entry, string path) => path.Contains('\n')
            ? throw new CorruptArtifactException($"the layer holds {entry.Name}, a path with a line break, which cannot be restored")
            : path;
    }
}
