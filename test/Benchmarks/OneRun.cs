using System.Diagnostics;
using System.Globalization;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Benchmarks;

/// <summary>One path, once.</summary>
internal static class OneRun
{
    private const string Pod = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    private const string Id = "20261121t003412z-7f3a9c";

    public static async Task<ContainerManifest> WriteAsync(string tar, string root)
    {
        Directory.CreateDirectory(root);
        var store = new CheckpointStore(root, TimeProvider.System, Options);
        await using var file = new FileStream(
            tar, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0,
            FileOptions.Asynchronous | FileOptions.SequentialScan);
        var manifest =
            await store.WriteAsync(Pod, Id, "c", file, new Origin(), new Progress<long>(), CancellationToken.None);
        store.Seal(Pod, Id, ["c"]);
        return manifest;
    }

    public static async Task ReadAsync(string root, string folder)
    {
        Directory.CreateDirectory(folder);
        var store = new CheckpointStore(root, TimeProvider.System, Options);
        await store.Read(store.FindSealed(Pod, Id, "c")).ExtractAsync(
            folder, ExtractionOptions.FilesOnly, CancellationToken.None);
    }

    public static void Forget(string root) =>
        new CheckpointStore(root, TimeProvider.System).Delete(Pod, Id, container: null);

    /// <summary>Runs one path and returns the highest resident memory of this process, in KiB.</summary>
    public static async Task<long> RunAsync(string[] args)
    {
        switch (args)
        {
            case ["write", var tar, var root]:
                await WriteAsync(tar, root);
                break;
            case ["read", var root, var folder]:
                await ReadAsync(root, folder);
                break;
        }

        var line = File.ReadLines("/proc/self/status").Single(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    /// <summary>Processor time of this process and of all children that have ended.</summary>
    public static double ProcessorSeconds()
    {
        var fields = File.ReadAllText("/proc/self/stat").Split(") ")[^1].Split(' ');
        // utime, stime, cutime and cstime, in hundredths of a second.
        return fields[11..15].Sum(f => long.Parse(f, CultureInfo.InvariantCulture)) / 100.0;
    }

    /// <summary>Runs a command of the shell; it has to succeed.</summary>
    public static string Shell(string command)
    {
        using var process =
            Process.Start(new ProcessStartInfo("sh", ["-c", command]) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{command} ended with {process.ExitCode}");
    }

    // Two workers, as the -T2 that it is compared with.
    private static StoreOptions Options { get; } = new() { Level = 1, Workers = 2 };
}
