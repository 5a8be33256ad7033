using System.Diagnostics;
using NUnit.Framework;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Store;

/// <summary>Programs that others wrote, which read what we write.</summary>
internal static class StoragePeers
{
    private static readonly Lazy<Task<string>> Installed =
        new(() => RunAsync("/bin/bash", Source("Component", "Storage", "install.sh")));

    /// <summary>checkpointctl, as Debian builds it.</summary>
    public static async Task<string> CheckpointctlAsync() => (await Installed.Value).Trim();

    /// <summary>Compiles test/Stress/faults.c.</summary>
    public static async Task<string> FaultsAsync(string folder)
    {
        await Installed.Value;
        var library = Path.Combine(folder, "faults.so");
        await RunAsync(
            "gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, Source("Stress", "faults.c"), "-ldl");
        return library;
    }

    /// <summary>Runs a program to its end, which must be a good one; returns what it said.</summary>
    public static async Task<string> RunAsync(string program, params string[] args)
    {
        using var process =
            Process.Start(
                new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            Assert.Fail($"{program} {string.Join(' ', args)} ended with {process.ExitCode}: {errors}{await output}");
        }

        return await output;
    }

    public static string Source(params string[] path) =>
        Path.Combine([Repository.Root(AppContext.BaseDirectory), "test", .. path]);
}
