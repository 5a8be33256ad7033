using System.Diagnostics;

namespace PodCheckpointing.Benchmarks;

/// <summary>What one way took on one input.</summary>
/// <param name="Kind">The input.</param>
/// <param name="Path">write or read.</param>
/// <param name="What">The way.</param>
/// <param name="Seconds">The median.</param>
/// <param name="Processor">Seconds of processor time, the median: what remains comparable
/// while others use the machine.</param>
/// <param name="Ratio">The median of the ratios to the command line's, each within one repetition.</param>
/// <param name="Compression">The tar's size by what was written.</param>
internal sealed record Result(
    string Kind, string Path, string What, double Seconds, double Processor, double Ratio, double? Compression);

/// <summary>Runs all ways over one input, in turn, so that what else happens on the machine hits them alike.</summary>
/// <remarks>
/// Ours runs within this process, as in the agent, which runs for weeks; the others are processes, as they are wherever
/// they are used. Their start takes some milliseconds of more than a second. Ours also computes two SHA-256 and syncs.
/// </remarks>
internal sealed class Comparison : IDisposable
{
    public const string Ours = "store";
    private readonly string _kind;
    private readonly string _folder;
    private readonly string _tar;

    public Comparison(string folder, string kind, long size)
    {
        _kind = kind;
        _folder = Directory.CreateDirectory(Path.Combine(folder, kind)).FullName;
        _tar = In("input.tar");
        Inputs.Make(_tar, kind, size);
        // The heap that the input was made from is not part of the measurement.
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    public async Task<IEnumerable<Result>> RunAsync(int repetitions)
    {
        var ways = new (string Path, string What, Func<Task> Run, Action Clear)[]
        {
            ("write", Ours, () => OneRun.WriteAsync(_tar, In("root")), Nothing),
            ("write", "zstd -1 -T2", () => Shell($"zstd -q -f -1 -T2 {_tar} -o {In("cli.zst")}"), Nothing),
            ("write", "zstd, synced", () => Shell(
                $"zstd -q -f -1 -T2 {_tar} -o {In("synced.zst")} && sync -d {In("synced.zst")}"), () => File
                    .Delete(In("synced.zst"))),
            ("write", "cp", () => Shell($"cp {_tar} {In("copy")}"), () => File.Delete(In("copy"))),
            ("read", Ours, () => OneRun.ReadAsync(In("root"), In("ours")), () => Directory.Delete(In("ours"), true)),
            ("read", "zstd -d | tar x", () => Shell(
                $"mkdir {In("theirs")} && zstd -q -dc {In("cli.zst")} | tar x -C {In("theirs")}"),
                () => Directory.Delete(
                    In("theirs"), true)),
        };
        var times = ways.Select(_ => new double[repetitions]).ToArray();
        var processor = ways.Select(_ => new double[repetitions]).ToArray();
        // The first round warms the caches, and our code; it does not count.
        for (var round = -1; round < repetitions; round++)
        {
            OneRun.Forget(In("root"));
            File.Delete(In("cli.zst"));
            for (var i = 0; i < ways.Length; i++)
            {
                var (began, used) = (Stopwatch.GetTimestamp(), OneRun.ProcessorSeconds());
                await ways[i].Run();
                if (round >= 0)
                {
                    times[i][round] = Stopwatch.GetElapsedTime(began).TotalSeconds;
                    processor[i][round] = OneRun.ProcessorSeconds() - used;
                }

                ways[i].Clear();
            }
        }

        return ways.Select((way, i) => new Result(
            _kind, way.Path, way.What, Median(times[i]), Median(processor[i]),
            Median(Ratios(times[i], times[Baseline(way.Path)])), Compression(way)));

        int Baseline(string path) => path == "write" ? 1 : 5;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static double[] Ratios(double[] times, double[] baseline) => [.. times.Zip(
        baseline, (ours, theirs) => ours / theirs)];

    private static double Median(double[] values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private static Task Shell(string command)
    {
        OneRun.Shell(command);
        return Task.CompletedTask;
    }

    private static void Nothing()
    {
        // The reading ways need what the writing ways wrote.
    }

    private double? Compression((string Path, string What, Func<Task> Run, Action Clear) way)
    {
        var written = (way.Path, way.What) switch
        {
            ("write", Ours) =>
                Directory.EnumerateFiles(In("root"), "dump.tar.zst", SearchOption.AllDirectories).Single(),
            ("write", "zstd -1 -T2") => In("cli.zst"),
            _ => null,
        };
        return written is null ? null : (double)new FileInfo(_tar).Length / new FileInfo(written).Length;
    }

    private string In(string name) => Path.Combine(_folder, name);
}
