using System.Buffers.Binary;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Agent.Processes;

namespace PodCheckpointing.Unit.Agent;

public sealed class ElfHeadTests
{
    private const uint Load = 1;
    private const uint Dynamic = 2;
    private const uint Interpreter = 3;

    private static IEnumerable<TestCaseData> Files()
    {
        yield return Case(Program(Load, Load), true, "linked statically");
        yield return Case(Program(Dynamic, Load), true, "and loaded anywhere");
        yield return Case(Program(6, Interpreter, Load), false, "loads libraries");
        yield return Case(Program(Load, Load, Interpreter), false, "says so last");
        yield return Case(With(Program(Load), 0, (byte)'#', (byte)'!'), false, "a script");
        yield return Case([], false, "empty");
        yield return Case(Program(), false, "no program");
        yield return Case(Program(Load, Load)[..63], false, "cut in its head");
        yield return Case(Program(Load, Load)[..^1], false, "cut in its table");
        yield return Case(With(Program(Load), 4, 1), false, "32 bits");
        yield return Case(With(Program(Load), 5, 2), false, "the other order of bytes");
        yield return Case(With(Program(Load), 39, 0xff), false, "a table behind all files");
        yield return Case(With(Program(Load), 38, 0xff), false, "a table behind the file");
        yield return Case(With(Program(Load), 54, 255, 255, 255, 255), false, "a table of 4 GB");
        yield return Case(With(Program(Load), 54, 3), false, "entries that hold no kind");
    }

    [TestCaseSource(nameof(Files))]
    public void A_program_is_static_where_it_names_nobody_who_loads_libraries(byte[] file, bool isStatic) =>
        ElfHead.IsStatic(new MemoryStream(file)).Should().Be(isStatic);

    [Test]
    public void This_machines_programs_load_libraries()
    {
        using var file = File.OpenRead(Environment.ProcessPath!);
        ElfHead.IsStatic(file).Should().BeFalse();
    }

    /// <summary>A head, eight bytes that nobody reads, and a table of program headers.</summary>
    private static byte[] Program(params uint[] kinds)
    {
        var file = new byte[72 + (56 * kinds.Length)];
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(file, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(32), 72);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(54), 56);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(56), (ushort)kinds.Length);
        for (var i = 0; i < kinds.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(72 + (56 * i)), kinds[i]);
        }

        return file;
    }

    private static byte[] With(byte[] file, int at, params byte[] values)
    {
        values.CopyTo(file, at);
        return file;
    }

    private static TestCaseData Case(byte[] file, bool isStatic, string name) =>
        new TestCaseData(file, isStatic).SetName($"A_program_is_static({name})");
}
