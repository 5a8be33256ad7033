using System.Globalization;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PodCheckpointing.Kubectl.Restores;

/// <summary>A manifest that a user wrote.</summary>
internal static class YamlFile
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
            throw new CommandException(ExitCode.Usage, $"--filename {name}: line {exception.Start.Line}: {exception.Message}", exception);
        }

        if (yaml.Documents.Count != 1 || Json(yaml.Documents[0].RootNode) is not JsonObject root || (string?)root["kind"] != "Pod")
        {
            throw new CommandException(ExitCode.Usage, $"--filename {name}: must hold one object of kind Pod and nothing else");
        }

        try
        {
            return KubernetesJson.Deserialize<V1Pod>(root.ToJsonString());
        }
        catch (System.Text.Json.JsonException exception)
        {
            throw new CommandException(ExitCode.Usage, $"--filename {name}: {exception.Path}: {exception.Message.Split(" Path:")[0]}", exception);
        }
    }

    /// <summary>A YAML tree as JSON, its plain words read by the core schema.</summary>
    public static JsonNode? Json(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Select(pair => KeyValuePair.Create(((YamlScalarNode)pair.Key).Value ?? "", Json(pair.Value)))),
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
        _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
        _ when (char.IsAsciiDigit(text[0]) || text[0] is '-' or '.')
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => JsonValue.Create(number),
        _ => JsonValue.Create(text),
    };
}
