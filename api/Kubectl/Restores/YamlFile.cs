using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PodCheckpointing.Kubectl.Restores;

/// <summary>A manifest that a user wrote.</summary>
internal static partial class YamlFile
{
    /// <summary>The one pod in a text; JSON is YAML too.</summary>
    public static V1Pod Pod(string name, TextReader reader)
    {
        var yaml = new YamlStream();
        try
        {
            yaml.Load(reader);
        }
        catch (YamlException exception)
        {
            throw new CommandException(
                ExitCode.Usage, $"--filename {name}: line {exception.Start.Line}: {exception.Message}", exception);
        }

        if (yaml.Documents.Count != 1
            || Json(yaml.Documents[0].RootNode) is not JsonObject root
            || (string?)root["kind"] != "Pod")
        {
            throw new CommandException(
                ExitCode.Usage, $"--filename {name}: must hold one object of kind Pod and nothing else");
        }

        try
        {
            return KubernetesJson.Deserialize<V1Pod>(root.ToJsonString());
        }
        catch (System.Text.Json.JsonException exception)
        {
            throw new CommandException(
                ExitCode.Usage, $"--filename {name}: {exception.Path}: {exception.Message.Split(" Path:")[0]}",
                exception);
        }
    }

    /// <summary>A YAML tree as JSON, its plain numbers read as kubectl reads them.</summary>
    public static JsonNode? Json(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(
            map.Select(pair => KeyValuePair.Create(((YamlScalarNode)pair.Key).Value ?? "", Json(pair.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(Json)]),
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => Word(scalar.Value ?? ""),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => null,
    };

    private static JsonValue? Word(string text) => text switch
    {
        "" or "~" or "null" or "Null" or "NULL" => null,
        "true" or "True" or "TRUE" => JsonValue.Create(true),
        "false" or "False" or "FALSE" => JsonValue.Create(false),
        _ => (text[0] == '_' ? null : Number(text.Replace("_", ""))) ?? JsonValue.Create(text),
    };

    private static JsonValue? Number(string text) =>
        Whole(text) is { } whole ? JsonValue.Create(whole)
        : Fraction().IsMatch(text)
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && double.IsFinite(number) ? JsonValue.Create(number)
        : null;

    // kubectl reads YAML 1.1, in which a mode such as 0400 is octal.
    private static long? Whole(string text)
    {
        if (Based().Match(text) is not { Success: true } match)
        {
            return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var plain)
                ? plain
                : null;
        }

        var radix = match.Groups["radix"].Value switch { "x" or "X" => 16, "b" or "B" => 2, _ => 8 };
        var number = Int128.Zero;
        foreach (var digit in match.Groups["digits"].Value)
        {
            number = (number * radix) + Uri.FromHex(digit);
            if (number > long.MaxValue)
            {
                return null;
            }
        }

        return (long)(match.Groups["sign"].Value == "-" ? -number : number);
    }

    [GeneratedRegex(
        @"\A(?<sign>[-+]?)0(?:(?<radix>[xX])(?<digits>[0-9a-fA-F]+)|(?<radix>[bB])(?<digits>[01]+)|(?<radix>[oO]?)(?<digits>[0-7]+))\z")]
    private static partial Regex Based();

    [GeneratedRegex(@"\A[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\z")]
    private static partial Regex Fraction();
}
