namespace PodCheckpointing.Storage.Archives;

/// <summary>Walks an archive as it streams by, knows whether it is whole, and keeps the small
/// files that say what it is.</summary>
/// <param name="needed">Names without which the archive is refused.</param>
/// <param name="kept">Names whose content is kept, where it is small.</param>
internal sealed class ArchiveWalker(
    IReadOnlyCollection<string> needed, IReadOnlyCollection<string> kept) : IArchiveVisitor
{
    private const int LargestKept = 1 << 20;
    private readonly HashSet<string> _missing = [.. needed];
    private readonly Dictionary<string, byte[]> _contents = [];
    private TarParser? _parser;
    private byte[]? _content;
    private int _filled;

    /// <summary>The end marker has gone by.</summary>
    public bool AtEnd => Parser.AtEnd;

    /// <summary>How many entries it has.</summary>
    public int Entries { get; private set; }

    private TarParser Parser => _parser ??= new TarParser(this);

    /// <summary>Walks on; returns how many of the bytes belong to the archive.</summary>
    public int Take(ReadOnlySpan<byte> bytes) => Parser.Take(bytes);

    /// <summary>The content of a file that was to be kept, or null.</summary>
    public byte[]? ContentOf(string name) => _contents.GetValueOrDefault(name);

    /// <summary>Throws unless the archive was whole.</summary>
    public void Finish()
    {
        if (!AtEnd)
        {
            throw new CorruptArtifactException("the archive is cut short: it has no end marker");
        }

        if (_missing.Count > 0)
        {
            throw new CorruptArtifactException(
                $"the archive lacks {string.Join(", ", _missing.Order(StringComparer.Ordinal))}");
        }
    }

    /// <inheritdoc/>
    public void Begin(ArchiveEntry entry)
    {
        Entries++;
        var path = entry.Path;
        _missing.Remove(path);
        if (entry.Type == ArchiveEntryType.File && entry.Size <= LargestKept && kept.Contains(path))
        {
            _contents[path] = _content = new byte[entry.Size];
            _filled = 0;
        }
    }

    /// <inheritdoc/>
    public void Data(ReadOnlySpan<byte> bytes)
    {
        if (_content is not null)
        {
            bytes.CopyTo(_content.AsSpan(_filled));
            _filled += bytes.Length;
        }
    }

    /// <inheritdoc/>
    public void End() => _content = null;
}
