using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace PodCheckpointing.Unit.Storage;

/// <summary>As much of JSON Schema as our schema uses; a word that it does not know is an error.</summary>
internal sealed class SchemaCheck(string schema)
{
    private static readonly string[] Prose = ["$schema", "$defs", "title", "description"];
    private readonly JsonObject _root = JsonNode.Parse(schema)!.AsObject();

    public List<string> Problems(byte[] json)
    {
        var problems = new List<string>();
        Check(JsonNode.Parse(json), _root, "$", problems);
        return problems;
    }

    private void Check(JsonNode? value, JsonObject schema, string at, List<string> problems)
    {
        foreach (var (word, rule) in schema)
        {
            if (!Holds(value, word, rule!, at, problems))
            {
                problems.Add(
                    $"{at}: {word} {rule!.ToJsonString()}, but it is "
                        + $"{value?.ToJsonString()[..Math.Min(60, value.ToJsonString().Length)]}");
            }
        }
    }

    private bool Holds(JsonNode? value, string word, JsonNode rule, string at, List<string> problems)
    {
        switch (word)
        {
            case "$ref":
                Check(value, _root["$defs"]![rule.GetValue<string>().Split('/')[^1]]!.AsObject(), at, problems);
                return true;
            case "type":
                return IsA(value, rule.GetValue<string>());
            case "const":
                return JsonNode.DeepEquals(value, rule);
            case "minimum":
                return !IsA(value, "integer") || value!.GetValue<long>() >= rule.GetValue<long>();
            case "maximum":
                return !IsA(value, "integer") || value!.GetValue<long>() <= rule.GetValue<long>();
            case "pattern":
                return !IsA(value, "string") || Regex.IsMatch(value!.GetValue<string>(), rule.GetValue<string>());
            case "format" when rule.GetValue<string>() == "date-time":
                return !IsA(value, "string") || (DateTimeOffset.TryParse(
                    value!.GetValue<string>(), CultureInfo.InvariantCulture, out _)
                    && Regex.IsMatch(value.GetValue<string>(), "(Z|[+-]..:..)$"));
            case "required":
                return value is not JsonObject o || rule.AsArray().All(name => o.ContainsKey(name!.GetValue<string>()));
            case "properties":
                foreach (var (name, inner) in rule.AsObject())
                {
                    if (value is JsonObject && value[name] is { } property)
                    {
                        Check(property, inner!.AsObject(), $"{at}.{name}", problems);
                    }
                }

                return true;
            case "items":
                foreach (var item in value as JsonArray ?? [])
                {
                    Check(item, rule.AsObject(), at + "[]", problems);
                }

                return true;
            default:
                return Prose.Contains(word)
                    ? true
                    : throw new NotSupportedException($"the check does not know \"{word}\"");
        }
    }

    private static bool IsA(JsonNode? value, string type) => type switch
    {
        "object" => value is JsonObject,
        "array" => value is JsonArray,
        "string" => value?.GetValueKind() == JsonValueKind.String,
        "boolean" => value?.GetValueKind() is JsonValueKind.True or JsonValueKind.False,
        "integer" => value?.GetValueKind() == JsonValueKind.Number && long.TryParse(value.ToJsonString(), out _),
        _ => throw new NotSupportedException($"the check does not know the type {type}"),
    };
}
