using System.Text;

namespace PodCheckpointing.Storage;

/// <summary>Walks a checkpoint tar as it streams by, to its end marker, and knows whether it is whole.</summary>
internal sealed class ArchiveWalker
{
    private const int Block = 512;
    private static readonly string[] Needed = ["checkpoint/inventory.img", "config.dump", "spec.dump"];
    private readonly HashSet<string> _seen = [];
    private readonly byte[] _header = new byte[Block];
    private int _filled;
    private long _skip;
    private int _emptyBlocks;

    /// <summary>The end marker, two empty blocks, has gone by.</summary>
    public bool AtEnd => _emptyBlocks == 2;

    /// <summary>Walks on; returns how many of the bytes belong to the archive.</summary>
    public int Take(ReadOnlySpan<byte> bytes)
    {
        var position = 0;
        while (position < bytes.Length && !AtEnd)
        {
            if (_skip > 0)
            {
                var step = (int)Math.Min(_skip, bytes.Length - position);
                _skip -= step;
                position += step;
                continue;
            }

            var take = Math.Min(Block - _filled, bytes.Length - position);
            bytes.Slice(position, take).CopyTo(_header.AsSpan(_filled));
            _filled += take;
            position += take;
            if (_filled == Block)
            {
                _filled = 0;
                ReadHeader();
            }
        }

        return position;
    }

    /// <summary>Throws unless the archive was whole.</summary>
    public void Finish()
    {
        if (!AtEnd)
        {
            throw new CorruptArtifactException("the runtime's checkpoint archive is cut short: it has no end marker");
        }

        var missing = Needed.Where(n => !_seen.Contains(n)).ToList();
        if (missing.Count > 0)
        {
            throw new CorruptArtifactException($"the runtime's checkpoint archive lacks {string.Join(", ", missing)}");
        }
    }

    private void ReadHeader()
    {
        if (_header.AsSpan().IndexOfAnyExcept((byte)0) < 0)
        {
            _emptyBlocks++;
            return;
        }

        _emptyBlocks = 0;
        var sum = 0;
        for (var i = 0; i < Block; i++)
        {
            sum += i is >= 148 and < 156 ? ' ' : _header[i];
        }

        if (sum != Number(148, 8))
        {
            throw new CorruptArtifactException("the runtime's checkpoint archive is no tar: a header's checksum is wrong");
        }

        var name = Encoding.UTF8.GetString(_header.AsSpan(0, 100)).TrimEnd('\0');
        _seen.Add(name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name);
        _skip = (Number(124, 12) + Block - 1) / Block * Block;
    }

    private long Number(int offset, int length)
    {
        var field = _header.AsSpan(offset, length);
        long value = 0;
        if ((field[0] & 0x80) != 0)
        {
            // GNU's binary form, for 8 GiB and more.
            foreach (var b in field[1..])
            {
                value = (value << 8) | b;
            }

            return value;
        }

        foreach (var b in field)
        {
            if (b is >= (byte)'0' and <= (byte)'7')
            {
                value = (value * 8) + (b - '0');
            }
            else if (b is not ((byte)' ' or 0))
            {
                throw new CorruptArtifactException("the runtime's checkpoint archive is no tar: a number is malformed");
            }
        }

        return value;
    }
}
