using System.Globalization;
using System.Text.Json;

namespace PodCheckpointing.Api.V1;

/// <summary>Reads fields that the client does not model; what is not there, or is
/// something else, is not there.</summary>
internal static class Json
{
    public static JsonElement? Member(Dictionary<string, JsonElement>? more, string field) =>
        more?.TryGetValue(field, out var found) == true ? found : null;

    public static JsonElement? Member(JsonElement? item, string field) =>
        item is { ValueKind: JsonValueKind.Object } parent
            && parent.TryGetProperty(field, out var found) ? found : null;

    public static string Text(JsonElement item, string field) =>
        Member(item, field) is { ValueKind: JsonValueKind.String } text ? text.GetString()! : "";

    public static int? Number(JsonElement item, string field) =>
        Member(item, field) is { ValueKind: JsonValueKind.Number } number ? number.GetInt32() : null;

    public static IEnumerable<JsonElement> Items(JsonElement? list) =>
        list is { ValueKind: JsonValueKind.Array } items ? items.EnumerateArray() : [];

    public static IEnumerable<JsonProperty> Fields(JsonElement? item) =>
        item is { ValueKind: JsonValueKind.Object } properties ? properties.EnumerateObject() : [];

    /// <summary>Whether a labelSelector selects; one that is absent selects nothing, an empty one everything.</summary>
    public static bool Selects(JsonElement? selector, IDictionary<string, string>? labels)
    {
        string? Value(string key) => labels?.TryGetValue(key, out var value) == true ? value : null;
        return selector is { ValueKind: JsonValueKind.Object }
            && Fields(Member(selector, "matchLabels")).All(l => Value(l.Name) == l.Value.GetString())
            && Items(Member(selector, "matchExpressions")).All(e => Meets(e, Value(Text(e, "key"))));
    }

    /// <summary>Whether a label's value meets a requirement, of pods' or nodes' labels.</summary>
    public static bool Meets(JsonElement requirement, string? value)
    {
        var values = Items(Member(requirement, "values")).Select(v => v.GetString()).ToList();
        return Text(requirement, "operator") switch
        {
            "In" => value is not null && values.Contains(value),
            "NotIn" => value is null || !values.Contains(value),
            "Exists" => value is not null,
            "DoesNotExist" => value is null,
            "Gt" => Compare(value, values) > 0,
            "Lt" => Compare(value, values) < 0,
            _ => false,
        };
    }

    private static int? Compare(string? value, List<string?> values) =>
        values is [var limit]
            && long.TryParse(value, CultureInfo.InvariantCulture, out var has)
            && long.TryParse(limit, CultureInfo.InvariantCulture, out var than)
            ? has.CompareTo(than)
            : null;
}
