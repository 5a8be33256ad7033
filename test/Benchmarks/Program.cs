using System.Globalization;
using PodCheckpointing.Benchmarks;

// "make KIND TAR MIB" only makes an input. "write TAR ROOT", "read ROOT FOLDER" and "idle": one path in a process of
// its own, whose memory is told.
// Otherwise: everything, with --folder DIR, --size MIB, --repetitions N, --memory MIB,MIB,….
if (args is ["make", var input, var path, var mib])
{
    Inputs.Make(path, input, long.Parse(mib, CultureInfo.InvariantCulture) << 20);
    return 0;
}

if (args is ["write" or "read" or "idle", ..])
{
    Console.WriteLine(await OneRun.RunAsync(args));
    return 0;
}

var options = BenchmarkOptions.Parse(args);
var folder = Directory.CreateDirectory(Path.Combine(options.Folder, $"bench-storage-{Environment.ProcessId}")).FullName;
try
{
    Console.WriteLine(
        $"storage: {options.SizeMib} MiB, {options.Repetitions} interleaved repetitions, medians; "
            + $"{Environment.ProcessorCount} cores; in {options.Folder}");
    var results = new List<Result>();
    foreach (var kind in Inputs.Kinds)
    {
        using var comparison = new Comparison(folder, kind, options.SizeMib << 20);
        results.AddRange(await comparison.RunAsync(options.Repetitions));
    }

    Table.Print(results);
    var memory = Memory.Measure(folder, options.MemoryMib);
    Table.Print(memory);
    var (write, read) = (Of("write"), Of("read"));
    Console.WriteLine(string.Create(
        CultureInfo.InvariantCulture,
        $"storage: write x{write:F2} of zstd -1 -T2, read x{read:F2} of zstd -d|tar x, peak {memory.Max(m => m.Peak)} MB"));
    return 0;

    // The realistic input is what checkpoints are like; the table has the extremes as well.
    double Of(string way) =>
        results.Single(r => r.Kind == "realistic" && r.Path == way && r.What == Comparison.Ours).Ratio;
}
finally
{
    Directory.Delete(folder, recursive: true);
}
