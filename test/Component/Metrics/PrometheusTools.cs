using System.Diagnostics;
using System.Text.Json;
using NUnit.Framework;
using PodCheckpointing.Component.Deploy;

namespace PodCheckpointing.Component.Metrics;

internal sealed record Sample(string Name, Dictionary<string, string> Labels, string Value);

internal sealed record Family(string Name, string Type, string Help, Sample[] Samples);

/// <summary>Prometheus' own readers; install.sh beside this file brings them.</summary>
internal static class PrometheusTools
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);
    private static readonly Lazy<Task<string>> Promtool = new(async () =>
    {
        var (code, output, errors) = await RunAsync("/bin/bash", [Beside("install.sh")], "");
        return code == 0 ? output.Trim() : throw new AssertionException($"no promtool: {errors}");
    });

    /// <summary>What the parser of Prometheus' Python client makes of a text.</summary>
    public static async Task<Family[]> ParseAsync(string text)
    {
        await Promtool.Value;
        var (code, output, errors) = await RunAsync("/usr/bin/python3", [Beside("read.py")], text);
        return code == 0
            ? JsonSerializer.Deserialize<Family[]>(output, Json)!
            : throw new AssertionException(errors + "\n" + text);
    }

    /// <summary>Runs promtool.</summary>
    public static async Task<(int Code, string Said)> PromtoolAsync(string[] arguments, string input)
    {
        var (code, output, errors) = await RunAsync(await Promtool.Value, arguments, input);
        return (code, output + errors);
    }

    private static string Beside(string name) => Path.Combine(Manifests.Root, "test", "Component", "Metrics", name);

    private static async Task<(int Code, string Output, string Errors)> RunAsync(
        string program, string[] arguments, string input)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await errors);
    }
}
