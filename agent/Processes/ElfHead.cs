using System.Buffers.Binary;

namespace PodCheckpointing.Agent.Processes;

/// <summary>The head of a program's file (elf(5)), of 64 bits and with the lowest byte first.</summary>
internal static class ElfHead
{
    private const int Length = 64;

    /// <summary>PT_INTERP: who loads a program's libraries.</summary>
    private const uint Interpreter = 3;

    /// <summary>The magic number, 64 bits, the lowest byte first.</summary>
    private static ReadOnlySpan<byte> Begin => [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1];

    /// <summary>Whether a program has all its libraries in itself: it names nobody who would load them.</summary>
    /// <returns>False also of what is no such program, a script perhaps that calls another one.</returns>
    public static bool IsStatic(Stream file)
    {
        Span<byte> head = stackalloc byte[Length];
        if (file.ReadAtLeast(head, Length, throwOnEndOfStream: false) < Length || !head.StartsWith(Begin))
        {
            return false;
        }

        var begin = BinaryPrimitives.ReadUInt64LittleEndian(head[32..]);
        int size = BinaryPrimitives.ReadUInt16LittleEndian(head[54..]);
        int count = BinaryPrimitives.ReadUInt16LittleEndian(head[56..]);
        if (size < sizeof(uint) || count == 0 || begin > (ulong)file.Length || (long)size * count > file.Length)
        {
            return false;
        }

        var table = new byte[size * count];
        file.Position = (long)begin;
        return file.ReadAtLeast(table, table.Length, throwOnEndOfStream: false) == table.Length
            && Enumerable.Range(0, count).All(
                i => BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(i * size)) != Interpreter);
    }
}
