using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>Objects for machines: json, yaml or name, as kubectl writes them.</summary>
internal static class ObjectPrinter
{
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        IndentSize = 4,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes one object.</summary>
    public static void Write<T>(TextWriter writer, OutputFormat format, T item)
        where T : IKubernetesObject<V1ObjectMeta> =>
        Write(writer, format, Tree(item), () => writer.WriteLine(ObjectNames.Of(item)));

    /// <summary>Writes a list of objects.</summary>
    public static void WriteList<T>(TextWriter writer, OutputFormat format, IReadOnlyList<T> items)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var list = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["items"] = new JsonArray([.. items.Select(Tree)]),
            ["kind"] = "List",
            ["metadata"] = new JsonObject { ["resourceVersion"] = "" },
        };
        Write(writer, format, list, () =>
        {
            foreach (var item in items)
            {
                writer.WriteLine(ObjectNames.Of(item));
            }
        });
    }

    private static void Write(TextWriter writer, OutputFormat format, JsonNode tree, Action names)
    {
        switch (format)
        {
            case OutputFormat.Json:
                writer.WriteLine(tree.ToJsonString(Indented));
                break;
            case OutputFormat.Yaml:
                var text = new StringWriter { NewLine = "\n" };
                new YamlStream(new YamlDocument(Yaml(tree))).Save(text, assignAnchors: false);
                var end = text.ToString().LastIndexOf("...", StringComparison.Ordinal);
                writer.Write(end >= 0 ? text.ToString()[..end] : text.ToString());
                break;
            default:
                names();
                break;
        }
    }

    // Keys in order, and without managedFields, as kubectl shows an object.
    private static JsonNode Tree<T>(T item)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        var tree = JsonSerializer.SerializeToNode(item, KubernetesJson.Options)!;
        (tree["metadata"] as JsonObject)?.Remove("managedFields");
        // The kinds' records have an empty text for an absent name, which the server would refuse.
        if (tree["spec"] is JsonObject spec && spec["podName"]?.GetValue<string>() == "")
        {
            spec.Remove("podName");
        }

        return Sorted(tree)!;
    }

    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(
            map.OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .Select(pair => KeyValuePair.Create(pair.Key, Sorted(pair.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Sorted)]),
        _ => node?.DeepClone(),
    };

    private static YamlNode Yaml(JsonNode? node) => node switch
    {
        null => new YamlScalarNode("null") { Style = ScalarStyle.Plain },
        JsonObject map => new YamlMappingNode(
            map.Select(pair => KeyValuePair.Create<YamlNode, YamlNode>(new YamlScalarNode(pair.Key), Yaml(pair.Value))))
        {
            Style = map.Count == 0 ? MappingStyle.Flow : MappingStyle.Block,
        },
        JsonArray list =>
            new YamlSequenceNode(list.Select(Yaml)) { Style = list.Count == 0
                ? SequenceStyle.Flow
                : SequenceStyle.Block },
        _ when node.GetValueKind() == JsonValueKind.String => Text(node.GetValue<string>()),
        _ => new YamlScalarNode(node.ToJsonString()) { Style = ScalarStyle.Plain },
    };

    // A text that another reader would take for a number, a date or a boolean is quoted.
    private static YamlScalarNode Text(string text)
    {
        var first = text.Length == 0 ? '"' : text[0];
        var plain = char.IsAsciiLetter(first)
            && text.ToUpperInvariant()
                is not ("TRUE" or "FALSE" or "YES" or "NO" or "ON" or "OFF" or "NULL" or "Y" or "N");
        return new YamlScalarNode(text)
        {
            Style = text.Contains('\n')
                ? ScalarStyle.Literal
                : plain || first == '/' ? ScalarStyle.Any : ScalarStyle.DoubleQuoted,
        };
    }
}

/// <summary>What -o asks for.</summary>
internal enum OutputFormat
{
    /// <summary>Text for people.</summary>
    None,

    /// <summary>Text for people, with more columns.</summary>
    Wide,

    /// <summary>JSON.</summary>
    Json,

    /// <summary>YAML.</summary>
    Yaml,

    /// <summary>kind.group/name.</summary>
    Name,
}
