namespace PodCheckpointing.Benchmarks;

/// <summary>The most memory that one write or read had, in MB (10^6 bytes).</summary>
internal sealed record MemoryResult(long Mib, long Runtime, long Write, long Read)
{
    public long Peak => Math.Max(Write, Read);
}

/// <summary>Measures memory in processes of their own, on archives of growing size.</summary>
internal static class Memory
{
    public static IReadOnlyList<MemoryResult> Measure(
        string folder, IReadOnlyList<long> sizes) => [.. sizes.Select(size =>
    {
        var (tar, root, target) =
            (Path.Combine(folder, "input.tar"), Path.Combine(folder, "root"), Path.Combine(folder, "out"));
        Inputs.Make(tar, "realistic", size << 20);
        var result = new MemoryResult(size, Of("idle"), Of($"write {tar} {root}"), Of($"read {root} {target}"));
        File.Delete(tar);
        Directory.Delete(root, recursive: true);
        Directory.Delete(target, recursive: true);
        return result;
    })];

    private static long Of(string arguments) => long.Parse(
        OneRun.Shell($"{Environment.ProcessPath} {arguments}"),
        System.Globalization.CultureInfo.InvariantCulture) * 1024 / 1_000_000;
}

/// <summary>Prints what was measured.</summary>
internal static class Table
{
    public static void Print(IEnumerable<Result> results)
    {
        Console.WriteLine($"\n{"input",-12} {"path",-6} {"by",-16} {"seconds",8} {"cpu s",7} {"ratio",7} {"size",9}");
        foreach (var r in results)
        {
            var size = r.Compression is { } c
                ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"1/{c:F2}")
                : "";
            Console.WriteLine(string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{r.Kind,-12} {r.Path,-6} {r.What,-16} {r.Seconds,8:F3} {r.Processor,7:F2} {"x" + r.Ratio.ToString("F2", System.Globalization.CultureInfo.InvariantCulture),7} {size,9}"));
        }
    }

    public static void Print(IEnumerable<MemoryResult> results)
    {
        Console.WriteLine($"\n{"memory, MB",-12} {"runtime",8} {"write",8} {"read",8}");
        foreach (var r in results)
        {
            Console.WriteLine($"{r.Mib + " MiB",-12} {r.Runtime,8} {r.Write,8} {r.Read,8}");
        }

        Console.WriteLine();
    }
}
