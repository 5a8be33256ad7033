using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using NUnit.Framework;
using PodCheckpointing.Generate;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PodCheckpointing.Component.Deploy;

/// <summary>What kustomize and the chart install, as objects.</summary>
internal static class Manifests
{
    public static string Root { get; } = Repository.Root(AppContext.BaseDirectory);

    /// <summary>For the longest, which compiles CRIU and crun or emulates a machine, beside others' work.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(60);

    private static readonly Lazy<string> Renderer = new(() =>
        Run("/bin/bash", Path.Combine(Root, "test/Component/Deploy/Chart/install.sh")).Trim());

    /// <summary>kubectl kustomize of a folder of config/.</summary>
    public static IReadOnlyList<JsonObject> Kustomize(string folder) =>
        Parse(
            Run(Path.Combine(Api.ApiServerParts.Find(), "kubectl"), "kustomize", Path.Combine(Root, "config", folder)));

    /// <summary>kubectl kustomize of an overlay of one's own, a folder beside config/ as the README has it.</summary>
    public static IReadOnlyList<JsonObject> Overlay(string kustomization)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Root, "artifacts", $"overlay-{Guid.NewGuid():n}"));
        try
        {
            File.WriteAllText(
                Path.Combine(folder.FullName, "kustomization.yaml"),
                kustomization.Replace("../config", "../../config", StringComparison.Ordinal));
            return Kustomize(folder.FullName);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The chart, or a copy of it, with values of one's own.</summary>
    public static string Chart(string @namespace, string values = "", string folder = "charts/pod-checkpointing")
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, values);
            return Run(Renderer.Value, Path.Combine(Root, folder), "try", @namespace, file);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>The documents of a YAML text; scalars as Kubernetes reads them.</summary>
    public static IReadOnlyList<JsonObject> Parse(string text)
    {
        var stream = new YamlStream();
        // Behind the chart's manifests come its notes.
        stream.Load(new StringReader(text.Split("\n# NOTES\n")[0]));
        return [.. stream.Documents.Select(d => Convert(d.RootNode)).OfType<JsonObject>()];
    }

    public static string Name(JsonObject o) =>
        $"{o["kind"]} {o["metadata"]!["namespace"]?.ToString() ?? "-"}/{o["metadata"]!["name"]}";

    /// <summary>The one object of a kind and name.</summary>
    public static JsonObject One(IEnumerable<JsonObject> objects, string kind, string name) => objects.Single(o =>
        o["kind"]!.ToString() == kind && o["metadata"]!["name"]!.ToString() == name);

    /// <summary>Runs a program; fails the test with what it said when it fails, or takes too long.</summary>
    public static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        var (output, errors) = (new StringBuilder(), new StringBuilder());
        var said = Task.WhenAll(ReadAsync(process.StandardOutput, output), ReadAsync(process.StandardError, errors));
        if (!said.Wait(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(
                $"{program} {string.Join(' ', arguments)} took over {Limit}; it said: {Text(errors)}{Text(output)}");
        }

        process.WaitForExit();
        return process.ExitCode == 0 ? Text(output) : throw new InvalidOperationException(Text(errors) + Text(output));
    }

    private static async Task ReadAsync(StreamReader from, StringBuilder to)
    {
        var buffer = new char[4096];
        while (await from.ReadAsync(buffer) is > 0 and var count)
        {
            lock (to)
            {
                to.Append(buffer, 0, count);
            }
        }
    }

    private static string Text(StringBuilder said)
    {
        lock (said)
        {
            return said.ToString();
        }
    }

    private static JsonNode? Convert(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children
            .OrderBy(pair => pair.Key.ToString(), StringComparer.Ordinal)
            .Select(pair => KeyValuePair.Create(pair.Key.ToString(), Convert(pair.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(Convert)]),
        YamlScalarNode { Style: ScalarStyle.Plain } plain => Plain(plain.Value ?? ""),
        YamlScalarNode quoted => JsonValue.Create(quoted.Value),
        _ => throw new AssertionException($"no such YAML here: {node}"),
    };

    private static JsonNode? Plain(string text) => text switch
    {
        "" or "null" or "~" => null,
        "true" or "false" => JsonValue.Create(text == "true"),
        // A file mode, in YAML's older spelling of octal numbers.
        ['0', _, ..] when text.All(c => c is >= '0' and <= '7') => JsonValue.Create(System.Convert.ToInt64(text, 8)),
        _ => decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? JsonValue.Create(number)
            : JsonValue.Create(text),
    };
}
