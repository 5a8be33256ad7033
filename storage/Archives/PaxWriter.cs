using System.Globalization;
using System.Text;

namespace PodCheckpointing.Storage.Archives;

/// <summary>Writes a tar in the pax form (POSIX.1-2001), whose headers can be read in one way only.</summary>
/// <remarks>System.Formats.Tar loses bytes of names that are not UTF-8.</remarks>
internal sealed class PaxWriter(Stream tar)
{
    private const int LongestName = 100;
    private const long LargestId = 0x1f_ffff;
    private const long LargestSize = 0x1_ffff_ffff;
    private static readonly byte[] Zeros = new byte[2 * TarHeader.Block];
    private long _left;
    private int _padding;

    /// <summary>An entry begins; as many bytes as its size says follow.</summary>
    public void Begin(ArchiveEntry entry)
    {
        var records = RecordsOf(entry);
        if (records.Length > 0)
        {
            var entryOfRecords = new ArchiveEntry { Size = records.Length, Mode = (int)WholeFile.OwnersFile };
            Header((byte)'x', "pax"u8, default, entryOfRecords);
            tar.Write(records);
            tar.Write(Zeros.AsSpan(0, PaddingOf(records.Length)));
        }

        var flag = entry.Type switch
        {
            ArchiveEntryType.File => '0',
            ArchiveEntryType.HardLink => '1',
            ArchiveEntryType.SymbolicLink => '2',
            ArchiveEntryType.CharacterDevice => '3',
            ArchiveEntryType.BlockDevice => '4',
            ArchiveEntryType.Directory => '5',
            ArchiveEntryType.Fifo => '6',
            _ => throw new ArgumentOutOfRangeException(nameof(entry), entry.Type, null),
        };
        Header((byte)flag, entry.RawName.Span, entry.RawLinkName.Span, entry);
        (_left, _padding) = (entry.Size, PaddingOf(entry.Size));
    }

    /// <summary>A piece of its content.</summary>
    public void Data(ReadOnlySpan<byte> bytes)
    {
        _left -= bytes.Length;
        ArgumentOutOfRangeException.ThrowIfNegative(_left);
        tar.Write(bytes);
    }

    /// <summary>The entry ends.</summary>
    public void End()
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(_left, 0);
        tar.Write(Zeros.AsSpan(0, _padding));
    }

    /// <summary>The archive ends.</summary>
    public void Finish() => tar.Write(Zeros);

    private static int PaddingOf(long size) => (int)((TarHeader.Block - (size % TarHeader.Block)) % TarHeader.Block);

    /// <summary>What the header has no room for.</summary>
    private static byte[] RecordsOf(ArchiveEntry entry)
    {
        using var records = new MemoryStream();
        void Add(string key, ReadOnlySpan<byte> value)
        {
            // The length counts its own digits.
            var rest = Encoding.UTF8.GetByteCount(key) + value.Length + 3;
            var length = rest + 1;
            while (length != rest + Digits(length))
            {
                length = rest + Digits(length);
            }

            records.Write(Encoding.UTF8.GetBytes($"{length.ToString(CultureInfo.InvariantCulture)} {key}="));
            records.Write(value);
            records.WriteByte((byte)'\n');
        }

        void AddNumber(string key, long value) =>
            Add(key, Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture)));

        if (entry.RawName.Length > LongestName)
        {
            Add("path", entry.RawName.Span);
        }

        if (entry.RawLinkName.Length > LongestName)
        {
            Add("linkpath", entry.RawLinkName.Span);
        }

        if (entry.UserId > LargestId)
        {
            AddNumber("uid", entry.UserId);
        }

        if (entry.GroupId > LargestId)
        {
            AddNumber("gid", entry.GroupId);
        }

        if (entry.Size > LargestSize)
        {
            AddNumber("size", entry.Size);
        }

        if (entry.ModifiedNanoseconds % 1_000_000_000 != 0 || !FitsTime(entry))
        {
            Add("mtime", Seconds(entry.ModifiedNanoseconds));
        }

        foreach (var (key, value) in entry.ExtendedAttributes)
        {
            Add("SCHILY.xattr." + key, value.Span);
        }

        return records.ToArray();
    }

    private static int Digits(int number) => number.ToString(CultureInfo.InvariantCulture).Length;

    private static bool FitsTime(ArchiveEntry entry) =>
        entry.ModifiedNanoseconds >= 0 && entry.ModifiedNanoseconds / 1_000_000_000 <= LargestSize;

    private static byte[] Seconds(Int128 nanoseconds)
    {
        var (whole, fraction) = (Int128.Abs(nanoseconds) / 1_000_000_000, Int128.Abs(nanoseconds) % 1_000_000_000);
        return Encoding.ASCII.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $"{(nanoseconds < 0 ? "-" : "")}{whole}.{fraction:D9}"));
    }

    private void Header(byte flag, ReadOnlySpan<byte> name, ReadOnlySpan<byte> link, ArchiveEntry entry)
    {
        var header = new byte[TarHeader.Block];
        name[..Math.Min(name.Length, LongestName)].CopyTo(header);
        Octal(header.AsSpan(100, 8), entry.Mode);
        Octal(header.AsSpan(108, 8), Math.Min(entry.UserId, LargestId));
        Octal(header.AsSpan(116, 8), Math.Min(entry.GroupId, LargestId));
        Octal(header.AsSpan(124, 12), Math.Min(entry.Size, LargestSize));
        Octal(header.AsSpan(136, 12), FitsTime(entry) ? (long)(entry.ModifiedNanoseconds / 1_000_000_000) : 0);
        header[156] = flag;
        link[..Math.Min(link.Length, LongestName)].CopyTo(header.AsSpan(157));
        "ustar\0"u8.CopyTo(header.AsSpan(257));
        "00"u8.CopyTo(header.AsSpan(263));
        Octal(header.AsSpan(329, 8), entry.DeviceMajor);
        Octal(header.AsSpan(337, 8), entry.DeviceMinor);
        // The sum counts its own field as blanks.
        header.AsSpan(148, 8).Fill((byte)' ');
        Octal(header.AsSpan(148, 7), header.Sum(b => b));
        tar.Write(header);
    }

    private static void Octal(Span<byte> field, long value)
    {
        field[^1] = 0;
        for (var i = field.Length - 2; i >= 0; i--)
        {
            field[i] = (byte)('0' + (value & 7));
            value >>= 3;
        }
    }
}
