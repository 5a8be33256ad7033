using System.Globalization;
using System.Text;

namespace PodCheckpointing.Storage.Archives;

/// <summary>Reads the 512 bytes of a tar header, in all the dialects that runtimes
/// write (v7, ustar, PAX, GNU).</summary>
internal static class TarHeader
{
    public const int Block = 512;

    /// <summary>Whether the checksum is right.</summary>
    public static void Check(ReadOnlySpan<byte> header)
    {
        int unsigned = 0, signed = 0;
        for (var i = 0; i < Block; i++)
        {
            var value = i is >= 148 and < 156 ? (byte)' ' : header[i];
            unsigned += value;
            signed += (sbyte)value;
        }

        // Some ancient archivers summed signed characters.
        var sum = Number(header.Slice(148, 8));
        if (sum != unsigned && sum != signed)
        {
            throw new CorruptArtifactException("the archive is no tar: a header's checksum is wrong");
        }
    }

    public static ArchiveEntryType TypeOf(byte flag, ReadOnlySpan<byte> name) => flag switch
    {
        0 or (byte)'0' or (byte)'7' =>
            name.EndsWith((byte)'/') ? ArchiveEntryType.Directory : ArchiveEntryType.File,
        (byte)'1' => ArchiveEntryType.HardLink,
        (byte)'2' => ArchiveEntryType.SymbolicLink,
        (byte)'3' => ArchiveEntryType.CharacterDevice,
        (byte)'4' => ArchiveEntryType.BlockDevice,
        (byte)'5' => ArchiveEntryType.Directory,
        (byte)'6' => ArchiveEntryType.Fifo,
        _ => ArchiveEntryType.Other,
    };

    /// <summary>The name: in ustar a prefix may stand before it.</summary>
    public static byte[] Name(ReadOnlySpan<byte> header)
    {
        var name = Text(header[..100]);
        // GNU has other things where ustar has the prefix; its magic ends in a blank.
        var prefix = header.Slice(257, 6).SequenceEqual("ustar\0"u8) ? Text(header.Slice(345, 155)) : default;
        return prefix.IsEmpty ? name.ToArray() : [.. prefix, (byte)'/', .. name];
    }

    public static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return end < 0 ? field : field[..end];
    }

    /// <summary>A number: octal text, or GNU's binary form for what does not fit.</summary>
    public static long Number(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            // Two's complement, big-endian, whose first bit says no more than that it is binary.
            long value = (field[0] & 0x40) != 0 ? -1 : 0;
            value = (value << 6) | (uint)(field[0] & 0x3f);
            foreach (var b in field[1..])
            {
                if (value is > (long.MaxValue >> 8) or < (long.MinValue >> 8))
                {
                    throw new CorruptArtifactException("the archive is no tar: a number is too large");
                }

                value = (value << 8) | b;
            }

            return value;
        }

        long octal = 0;
        var ended = false;
        foreach (var b in field)
        {
            if (b is (byte)' ' or 0)
            {
                // Blanks may lead; behind the digits they end the number.
                ended |= b == 0 || octal > 0;
            }
            else if (b is >= (byte)'0' and <= (byte)'7' && !ended)
            {
                octal = (octal * 8) + (b - '0');
            }
            else if (!ended)
            {
                throw new CorruptArtifactException("the archive is no tar: a number is malformed");
            }
        }

        return octal;
    }

    /// <summary>The records of a PAX header: "length key=value\n".</summary>
    public static Dictionary<string, ReadOnlyMemory<byte>> Records(ReadOnlyMemory<byte> bytes)
    {
        var records = new Dictionary<string, ReadOnlyMemory<byte>>(StringComparer.Ordinal);
        while (bytes.Length > 0)
        {
            var span = bytes.Span;
            var blank = span[..Math.Min(span.Length, 20)].IndexOf((byte)' ');
            if (blank <= 0
                || !int.TryParse(span[..blank], NumberStyles.None, CultureInfo.InvariantCulture, out var length)
                || length <= blank + 1 || length > span.Length || span[length - 1] != '\n')
            {
                throw new CorruptArtifactException("the archive is no tar: an extended header is malformed");
            }

            var record = bytes[(blank + 1)..(length - 1)];
            var equals = record.Span.IndexOf((byte)'=');
            if (equals <= 0)
            {
                throw new CorruptArtifactException("the archive is no tar: an extended header is malformed");
            }

            records[Encoding.UTF8.GetString(record.Span[..equals])] = record[(equals + 1)..];
            bytes = bytes[length..];
        }

        return records;
    }

    /// <summary>Seconds with a fraction, in nanoseconds.</summary>
    public static Int128 Nanoseconds(ReadOnlySpan<byte> text)
    {
        var point = text.IndexOf((byte)'.');
        var whole = point < 0 ? text : text[..point];
        if (!long.TryParse(whole, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds))
        {
            throw new CorruptArtifactException("the archive is no tar: a time is malformed");
        }

        long fraction = 0;
        var digits = point < 0 ? default : text[(point + 1)..];
        for (var i = 0; i < 9; i++)
        {
            var digit = i < digits.Length ? digits[i] - '0' : 0;
            fraction = digit is >= 0 and <= 9
                ? (fraction * 10) + digit
                : throw new CorruptArtifactException("the archive is no tar: a time is malformed");
        }

        return ((Int128)seconds * 1_000_000_000) + (whole.StartsWith((byte)'-') ? -fraction : fraction);
    }
}
