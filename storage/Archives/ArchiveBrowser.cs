using PodCheckpointing.Storage.Frames;

namespace PodCheckpointing.Storage.Archives;

/// <summary>Lists an artifact's entries and takes single files out of it, touching no
/// more frames than it must.</summary>
/// <remarks>
/// A tar has no table of contents: the listing goes from header to header and skips content by the frame index, so that
/// only frames with a header in them are decompressed, and a file only costs the frames that it lies in.
/// </remarks>
public sealed class ArchiveBrowser : IDisposable, IArchiveVisitor
{
    private readonly FrameFile _file;
    private readonly Zstd.Decompressor _zstd = new();
    private readonly Queue<ArchiveEntry> _found = [];
    private byte[] _frame = [];
    private int _index = -1;

    internal ArchiveBrowser(FrameFile file) => _file = file;

    /// <summary>How many frames have been decompressed.</summary>
    public int FramesRead => _file.FramesRead;

    /// <summary>The entries, in order.</summary>
    /// <exception cref="CorruptArtifactException">It is no tar, or a frame is damaged.</exception>
    public IEnumerable<ArchiveEntry> Entries(CancellationToken cancellationToken)
    {
        var parser = new TarParser(this);
        _found.Clear();
        while (!parser.AtEnd)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (parser.Skippable > 0)
            {
                parser.Skip(parser.Skippable);
            }

            var piece = At(parser.Position);
            if (piece.IsEmpty)
            {
                throw new CorruptArtifactException("the archive is cut short: it has no end marker");
            }

            parser.Take(piece.Span[..Math.Min(piece.Length, TarHeader.Block)]);
            while (_found.TryDequeue(out var entry))
            {
                yield return entry;
            }
        }
    }

    /// <summary>The first entry of that path, or null.</summary>
    public ArchiveEntry? Find(string path, CancellationToken cancellationToken) =>
        Entries(cancellationToken).FirstOrDefault(e => e.Path == path);

    /// <summary>Writes a file's content.</summary>
    /// <exception cref="CorruptArtifactException">A frame is damaged, or the archive is cut short.</exception>
    public async Task CopyAsync(ArchiveEntry entry, Stream target, CancellationToken cancellationToken)
    {
        for (long done = 0; done < entry.Size;)
        {
            var piece = At(entry.Offset + done);
            if (piece.IsEmpty)
            {
                throw new CorruptArtifactException($"the archive is cut short within {entry.Name}");
            }

            var count = (int)Math.Min(piece.Length, entry.Size - done);
            await target.WriteAsync(piece[..count], cancellationToken).ConfigureAwait(false);
            done += count;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _zstd.Dispose();
        _file.Dispose();
    }

    void IArchiveVisitor.Begin(ArchiveEntry entry) => _found.Enqueue(entry);

    void IArchiveVisitor.Data(ReadOnlySpan<byte> bytes)
    {
        // Headers only.
    }

    void IArchiveVisitor.End()
    {
        // Headers only.
    }

    // From that place of the tar to the end of its frame; empty behind the last one.
    private ReadOnlyMemory<byte> At(long position)
    {
        if (position >= _file.Manifest.Size)
        {
            return default;
        }

        var index = Array.BinarySearch(_file.Starts, position);
        index = index < 0 ? ~index - 1 : index;
        if (index != _index)
        {
            _frame = _file.Read(index, _zstd);
            _index = index;
        }

        return _frame.AsMemory((int)(position - _file.Starts[index]));
    }
}
