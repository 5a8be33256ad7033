using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace PodCheckpointing.Storage.Archives;

/// <summary>Walks a tar as it streams by in pieces of any size, to its end marker.</summary>
/// <remarks>
/// System.Formats.Tar wants to pull, loses bytes of names and attributes that are not UTF-8, and copies; this is
/// pushed, works on the pipeline's own memory, and can be told that content was skipped.
/// </remarks>
internal sealed class TarParser(IArchiveVisitor visitor)
{
    // A path may have 4096 bytes, an attribute 64 KiB: what is larger was not written by an archiver.
    private const int LargestExtension = 1 << 20;
    private const string Attribute = "SCHILY.xattr.";
    private readonly byte[] _header = new byte[TarHeader.Block];
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _global = new(StringComparer.Ordinal);
    private ImmutableDictionary<string, ReadOnlyMemory<byte>> _globalAttributes =
        ImmutableDictionary.Create<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);

    private Dictionary<string, ReadOnlyMemory<byte>> _records = new(StringComparer.Ordinal);
    private long _globalBytes;
    private byte[]? _longName;
    private byte[]? _longLink;
    private byte[]? _extension;
    private byte _extensionType;
    private int _filled;
    private long _data;
    private long _padding;
    private int _emptyBlocks;
    private bool _inEntry;

    /// <summary>The end marker, two empty blocks, has gone by.</summary>
    public bool AtEnd => _emptyBlocks == 2;

    /// <summary>Bytes taken so far.</summary>
    public long Position { get; private set; }

    /// <summary>How many of the next bytes are an entry's content and its padding: they may be skipped.</summary>
    public long Skippable => _extension is null ? _data + _padding : 0;

    /// <summary>Walks on; returns how many of the bytes belong to the archive.</summary>
    public int Take(ReadOnlySpan<byte> bytes)
    {
        var position = 0;
        while (position < bytes.Length && !AtEnd)
        {
            var rest = bytes[position..];
            var step = _data > 0 ? Content(rest[..(int)Math.Min(_data, rest.Length)])
                : _padding > 0 ? Padding(Math.Min(_padding, rest.Length))
                : Header(rest);
            position += step;
            Position += step;
        }

        return position;
    }

    /// <summary>Goes past content that the visitor is not to see.</summary>
    public void Skip(long count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Skippable);
        Position += count;
        var data = Math.Min(count, _data);
        _data -= data;
        _padding -= count - data;
        EndIfDone();
    }

    private int Content(ReadOnlySpan<byte> bytes)
    {
        if (_extension is not null)
        {
            bytes.CopyTo(_extension.AsSpan(_extension.Length - (int)_data));
        }
        else
        {
            visitor.Data(bytes);
        }

        _data -= bytes.Length;
        EndIfDone();
        return bytes.Length;
    }

    private int Padding(long count)
    {
        _padding -= count;
        return (int)count;
    }

    private int Header(ReadOnlySpan<byte> bytes)
    {
        var take = Math.Min(TarHeader.Block - _filled, bytes.Length);
        bytes[..take].CopyTo(_header.AsSpan(_filled));
        _filled += take;
        if (_filled == TarHeader.Block)
        {
            _filled = 0;
            if (_header.AsSpan().IndexOfAnyExcept((byte)0) < 0)
            {
                _emptyBlocks++;
            }
            else
            {
                _emptyBlocks = 0;
                TarHeader.Check(_header);
                Begin(Position + take);
            }
        }

        return take;
    }

    private void Begin(long offset)
    {
        var flag = _header[156];
        var size = TarHeader.Number(_header.AsSpan(124, 12));
        if (flag is (byte)'x' or (byte)'g' or (byte)'L' or (byte)'K')
        {
            if (size is < 0 or > LargestExtension)
            {
                throw new CorruptArtifactException($"the archive is no tar: an extended header of {size} bytes");
            }

            // What a global header says is kept to the end.
            _globalBytes += flag == (byte)'g' ? size : 0;
            if (_globalBytes > LargestExtension)
            {
                throw new CorruptArtifactException(
                    $"the archive is no tar: global headers of more than {LargestExtension} bytes");
            }

            _extension = new byte[size];
            _extensionType = flag;
        }
        else
        {
            var entry = Entry(flag, size, offset);
            size = entry.Size;
            _inEntry = true;
            visitor.Begin(entry);
        }

        _data = size;
        _padding = (TarHeader.Block - (size % TarHeader.Block)) % TarHeader.Block;
        EndIfDone();
    }

    private void EndIfDone()
    {
        if (_data > 0)
        {
            return;
        }

        if (_extension is { } extension)
        {
            _extension = null;
            Extend(extension);
        }
        else if (_inEntry)
        {
            _inEntry = false;
            visitor.End();
        }
    }

    private void Extend(byte[] extension)
    {
        switch (_extensionType)
        {
            case (byte)'L':
                _longName = TarHeader.Text(extension).ToArray();
                break;
            case (byte)'K':
                _longLink = TarHeader.Text(extension).ToArray();
                break;
            case (byte)'x':
                _records = TarHeader.Records(extension);
                break;
            default:
                foreach (var (key, value) in TarHeader.Records(extension))
                {
                    if (key.StartsWith(Attribute, StringComparison.Ordinal))
                    {
                        _globalAttributes = _globalAttributes.SetItem(key[Attribute.Length..], value.ToArray());
                    }
                    else
                    {
                        // A copy: the value alone would keep all of the header.
                        _global[key] = value.ToArray();
                    }
                }

                break;
        }
    }

    private ArchiveEntry Entry(byte flag, long size, long offset)
    {
        var name = Record("path")?.ToArray() ?? _longName ?? TarHeader.Name(_header);
        var link = Record("linkpath")?.ToArray() ?? _longLink ?? TarHeader.Text(_header.AsSpan(157, 100)).ToArray();
        var sparse = _records.Keys.Any(k => k.StartsWith("GNU.sparse.", StringComparison.Ordinal));
        var type = sparse ? ArchiveEntryType.Other : TarHeader.TypeOf(flag, name);
        size = Decimal("size") ?? size;
        if (size < 0 || size > long.MaxValue / 2)
        {
            throw new CorruptArtifactException($"the archive is no tar: an entry of {size} bytes");
        }

        var attributes = _globalAttributes.SetItems(_records
            .Where(r => r.Key.StartsWith(Attribute, StringComparison.Ordinal))
            .Select(r => KeyValuePair.Create(r.Key[Attribute.Length..], r.Value)));
        var device = type is ArchiveEntryType.CharacterDevice or ArchiveEntryType.BlockDevice;
        var entry = new ArchiveEntry
        {
            Name = Encoding.UTF8.GetString(name),
            Type = type,
            // These have no content, whatever the field says; some archivers put the target's size there.
            Size = type is ArchiveEntryType.File or ArchiveEntryType.Other ? size : 0,
            Mode = (int)(TarHeader.Number(_header.AsSpan(100, 8)) & 0xfff),
            UserId = (uint)(Decimal("uid") ?? TarHeader.Number(_header.AsSpan(108, 8))),
            GroupId = (uint)(Decimal("gid") ?? TarHeader.Number(_header.AsSpan(116, 8))),
            ModifiedNanoseconds = Record("mtime") is { } mtime
                ? TarHeader.Nanoseconds(mtime.Span)
                : (Int128)TarHeader.Number(_header.AsSpan(136, 12)) * 1_000_000_000,
            LinkName = Encoding.UTF8.GetString(link),
            DeviceMajor = device ? (uint)TarHeader.Number(_header.AsSpan(329, 8)) : 0,
            DeviceMinor = device ? (uint)TarHeader.Number(_header.AsSpan(337, 8)) : 0,
            ExtendedAttributes = attributes,
            Offset = offset,
            RawName = name,
            RawLinkName = link,
        };
        _records = new Dictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);
        (_longName, _longLink) = (null, null);
        return entry;
    }

    // An empty value takes back what a global header said.
    private ReadOnlyMemory<byte>? Record(string key) =>
        (_records.TryGetValue(key, out var value) || _global.TryGetValue(key, out value)) && value.Length > 0
            ? value
            : default(ReadOnlyMemory<byte>?);

    private long? Decimal(string key) => Record(key) is not { } text ? null
        : long.TryParse(text.Span, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value
        : throw new CorruptArtifactException($"the archive is no tar: the {key} of an entry is malformed");
}
