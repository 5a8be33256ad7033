using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>The page of a kind, made of its schema: what kubectl explain and the API server go by.</summary>
internal sealed partial class KindPage(Type kind, Documentation documentation, string samples)
{
    private const string ErrorLine = "# error: ";

    /// <summary>Some kinds have only what they say.</summary>
    private static readonly string[] Parts = ["spec", "status"];

    private readonly Dictionary<string, object> _schema = new SchemaBuilder(documentation).Root(kind);

    /// <summary>The page's text.</summary>
    public string Text
    {
        get
        {
            var entity = Kinds.Entity(kind);
            var called = kind.GetCustomAttribute<CalledAttribute>()!;
            var text = new StringBuilder($"# {kind.Name}\n\n{(string)_schema["description"]}\n\n");
            text.Append($"`{ApiGroup.ApiVersion}`, {(entity.Namespaced ? "namespaced" : "cluster-scoped")}; ");
            text.Append(
                $"`kubectl get {called.ShortName}`, in "
                    + $"{string.Join(" and ", called.Categories.Select(c => $"`kubectl get {c}`"))}; ");
            text.Append($"`kubectl explain {entity.PluralName} --recursive`.\n\n");
            text.Append($"Columns: {Columns(0)}; with `-o wide` also {Columns(1)}.\n\n");
            foreach (var part in Parts.Where(Properties(_schema).ContainsKey))
            {
                var schema = (Dictionary<string, object>)Properties(_schema)[part];
                text.Append($"## {part}\n\n{(string)schema["description"]}\n\n");
                text.Append(Markdown.Table(
                    part == "spec"
                        ? ["field", "type", "required", "default", "description"]
                        : ["field", "type", "description"],
                    Fields(schema, part, part == "spec")));
                text.Append('\n');
            }

            text.Append("## Rules\n\nThe API server refuses what breaks one.\n\n");
            text.Append(Markdown.Table(
                ["of", "rule", "message"],
                RulesOf(_schema, "").Select(
                    rule => new[] { Markdown.Code(rule.Path),
                        Markdown.Code(rule.Expression), Markdown.Cell(rule.Message) })));
            text.Append("\n## Samples\n\nAccepted: ");
            text.Append(string.Join(", ", Samples("valid").Select(file => Link("valid", file)))).Append(".\n\n");
            text.Append(Markdown.Table(
                ["refused", "with"],
                Samples("invalid").Select(file => new[]
                {
                    Link("invalid", file),
                    Markdown.Cell(File.ReadLines(file)
                        .First(line => line.StartsWith(ErrorLine, StringComparison.Ordinal))[ErrorLine.Length..]),
                })));
            return text.ToString();
        }
    }

    private string Columns(int priority) => string.Join(", ", kind.GetCustomAttributes<PrinterColumnAttribute>()
        .Where(column => column.Priority == priority).Select(column => column.Name));

    private static Dictionary<string, object> Properties(Dictionary<string, object> schema) =>
        schema.TryGetValue("properties", out var own) ? (Dictionary<string, object>)own
            : schema.TryGetValue("items", out var items) ? Properties((Dictionary<string, object>)items)
            : [];

    private static IEnumerable<string[]> Fields(Dictionary<string, object> schema, string path, bool wanted)
    {
        var owner = schema.TryGetValue("items", out var items) ? (Dictionary<string, object>)items : schema;
        var required = owner.TryGetValue("required", out var names) ? (string[])names : [];
        foreach (var (name, value) in Properties(schema))
        {
            var field = (Dictionary<string, object>)value;
            var description = (string)field["description"];
            var here = $"{path}.{name}{(field.ContainsKey("items") ? "[]" : "")}";
            string[] start = [Markdown.Code(here), TypeOf(field)];
            string[] middle = wanted ? [required.Contains(name)
                ? "yes"
                : "", Default().Match(description) is { Success: true } m ? m.Groups[1].Value : ""] : [];
            yield return [.. start, .. middle, Markdown.Cell(description)];
            foreach (var row in Fields(field, here, wanted))
            {
                yield return row;
            }
        }
    }

    private static string TypeOf(Dictionary<string, object> field)
    {
        if (field.TryGetValue("enum", out var words))
        {
            return "one of " + string.Join(", ", ((IEnumerable<string>)words).Select(Markdown.Code));
        }

        var type = (string)field["type"];
        var text = new StringBuilder(
            type == "array"
                ? $"list of {((Dictionary<string, object>)field["items"])["type"]}s, at most {field["maxItems"]}"
                : field.TryGetValue("format", out var format) && (string)format == "date-time" ? "time" : type);
        text.Append(field switch
        {
            _ when field.TryGetValue("maximum", out var maximum) => $", {field["minimum"]} to {maximum}",
            _ when field.TryGetValue("minimum", out var minimum) => $", at least {minimum}",
            _ when field.TryGetValue("maxLength", out var length) => $", at most {length} characters",
            _ => "",
        });
        return field.TryGetValue("pattern", out var pattern)
            ? $"{text}, {Markdown.Code((string)pattern)}"
            : text.ToString();
    }

    private static IEnumerable<(string Path, string Expression, string Message)> RulesOf(
        Dictionary<string, object> schema, string path)
    {
        if (schema.TryGetValue("x-kubernetes-validations", out var rules))
        {
            foreach (var rule in (List<Dictionary<string, object>>)rules)
            {
                yield return (path.Length == 0 ? "the object" : path, (string)rule["rule"], (string)rule["message"]);
            }
        }

        foreach (var (name, value) in Properties(schema))
        {
            foreach (var rule in RulesOf((Dictionary<string, object>)value, path.Length == 0 ? name : $"{path}.{name}"))
            {
                yield return rule;
            }
        }
    }

    private IEnumerable<string> Samples(string folder) =>
        Directory.EnumerateFiles(Path.Combine(samples, folder), "*.yaml")
            .Where(file => Path.GetFileName(file).Split('-', '.')[0].Equals(
                kind.Name, StringComparison.OrdinalIgnoreCase))
            .Order(StringComparer.Ordinal);

    private static string Link(string folder, string file) =>
        $"[{Path.GetFileNameWithoutExtension(file)}](../samples/{folder}/{Path.GetFileName(file)})";

    [GeneratedRegex(@"Absent: ([A-Za-z0-9]+)\.$")]
    private static partial Regex Default();
}
