using System.Globalization;

namespace PodCheckpointing.Benchmarks;

/// <summary>What the command line asks for.</summary>
internal sealed record BenchmarkOptions(string Folder, long SizeMib, int Repetitions, IReadOnlyList<long> MemoryMib)
{
    public static BenchmarkOptions Parse(string[] args)
    {
        var named = args.Chunk(2).ToDictionary(
            p => p[0], p => p.Length == 2 ? p[1] : throw new ArgumentException($"{p[0]} needs a value"));
        var unknown = named.Keys.Except(["--folder", "--size", "--repetitions", "--memory"]).FirstOrDefault();
        if (unknown is not null)
        {
            throw new ArgumentException($"{unknown} is not known");
        }

        var size = long.Parse(named.GetValueOrDefault("--size", "1024"), CultureInfo.InvariantCulture);
        var memory = named.GetValueOrDefault("--memory", "256,1024,4096").Split(',')
            .Select(m => long.Parse(m, CultureInfo.InvariantCulture)).ToList();
        // Memory where there is enough of it: a disk that others use, too, would be all that is measured.
        const string Shared = "/dev/shm";
        var folder = named.GetValueOrDefault("--folder")
            ?? (Free(Shared) > Needed(size, memory) * 3 / 2 ? Shared : Path.GetTempPath());
        var possible = memory.Where(m => Free(folder) > Needed(size, [m])).ToList();
        if (possible.Count < memory.Count)
        {
            Console.WriteLine(
                $"{folder} has {Free(folder) >> 20} MiB free: memory is measured up to {possible.Max()} MiB only");
        }

        return new BenchmarkOptions(
            folder, size, int.Parse(named.GetValueOrDefault("--repetitions", "5"), CultureInfo.InvariantCulture),
            possible);
    }

    // The input, what is written, and what is extracted.
    private static long Needed(long size, IEnumerable<long> memory) => Math.Max(size, memory.Max()) * 3 << 20;

    private static long Free(string folder) =>
        Directory.Exists(folder) ? new DriveInfo(folder).AvailableFreeSpace : 0;
}
