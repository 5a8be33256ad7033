using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PodCheckpointing.Storage;

/// <summary>What CRIU measured during a dump, out of its stats-dump.</summary>
public sealed record CriuStatistics
{
    // Two magic numbers before a length and one protobuf message: "service image", "statistics".
    private const uint ServiceMagic = 0x55105940;
    private const uint StatisticsMagic = 0x57093306;

    /// <summary>freezingMicroseconds until all tasks stood still.</summary>
    public long FreezingMicroseconds { get; init; }

    /// <summary>frozenMicroseconds that they stood still.</summary>
    public long FrozenMicroseconds { get; init; }

    /// <summary>memoryDumpMicroseconds spent on reading the memory.</summary>
    public long MemoryDumpMicroseconds { get; init; }

    /// <summary>memoryWriteMicroseconds spent on writing it.</summary>
    public long MemoryWriteMicroseconds { get; init; }

    /// <summary>pagesScanned.</summary>
    public long PagesScanned { get; init; }

    /// <summary>pagesSkippedParent: already in an earlier dump.</summary>
    public long PagesSkippedParent { get; init; }

    /// <summary>pagesWritten.</summary>
    public long PagesWritten { get; init; }

    /// <summary>pagesLazy: left for later.</summary>
    public long PagesLazy { get; init; }

    /// <summary>sharedPagesScanned.</summary>
    public long SharedPagesScanned { get; init; }

    /// <summary>sharedPagesWritten.</summary>
    public long SharedPagesWritten { get; init; }

    /// <summary>Fields of newer versions, kept as they are.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? More { get; set; }

    /// <summary>Reads a stats-dump; null when it is none.</summary>
    internal static CriuStatistics? From(ReadOnlySpan<byte> image)
    {
        if (image.Length < 12
            || BinaryPrimitives.ReadUInt32LittleEndian(image) != ServiceMagic
            || BinaryPrimitives.ReadUInt32LittleEndian(image[4..]) != StatisticsMagic)
        {
            return null;
        }

        var size = BinaryPrimitives.ReadUInt32LittleEndian(image[8..]);
        image = image[12..];
        // stats_entry: dump is field 1, a message.
        if (size == 0 || size > image.Length || image[0] != 0x0a)
        {
            return null;
        }

        var rest = image[1..(int)size];
        if (!TryVarint(ref rest, out var length) || length > (ulong)rest.Length)
        {
            return null;
        }

        return FromEntry(rest[..(int)length]);
    }

    // dump_stats_entry: numbers only.
    private static CriuStatistics? FromEntry(ReadOnlySpan<byte> entry)
    {
        Span<long> fields = stackalloc long[16];
        while (entry.Length > 0)
        {
            if (!TryVarint(ref entry, out var tag) || (tag & 7) != 0 || !TryVarint(ref entry, out var value))
            {
                return null;
            }

            if (tag >> 3 < (ulong)fields.Length)
            {
                fields[(int)(tag >> 3)] = (long)value;
            }
        }

        return new CriuStatistics
        {
            FreezingMicroseconds = fields[1],
            FrozenMicroseconds = fields[2],
            MemoryDumpMicroseconds = fields[3],
            MemoryWriteMicroseconds = fields[4],
            PagesScanned = fields[5],
            PagesSkippedParent = fields[6],
            PagesWritten = fields[7],
            PagesLazy = fields[9],
            SharedPagesScanned = fields[12],
            SharedPagesWritten = fields[14],
        };
    }

    private static bool TryVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (var i = 0; i < 10 && i < bytes.Length; i++)
        {
            value |= (ulong)(bytes[i] & 0x7f) << (7 * i);
            if (bytes[i] < 0x80)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }

        return false;
    }
}
