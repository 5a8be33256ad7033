using System.Globalization;
using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Whether a pod's nodeSelector and its required node affinity let it be on a node, as the scheduler decides it.</summary>
internal static class NodeSelection
{
    /// <summary>What the node lacks; none where the pod may be there.</summary>
    public static IEnumerable<string> Obstacles(V1Pod pod, V1Node node)
    {
        var labels = node.Metadata.Labels ?? new Dictionary<string, string>();
        foreach (var wanted in Objects(Member(pod.Spec.More, "nodeSelector")))
        {
            if (!labels.TryGetValue(wanted.Name, out var has) || has != wanted.Value.GetString())
            {
                yield return $"node {node.Metadata.Name} does not have the label {wanted.Name}={wanted.Value.GetString()} of the pod's nodeSelector";
            }
        }

        var terms = Member(Member(Member(Member(pod.Spec.More, "affinity"), "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution"), "nodeSelectorTerms");
        if (Unmet(terms, node) is { } unmet)
        {
            yield return $"node {node.Metadata.Name} meets none of the terms of the pod's required node affinity: {unmet}";
        }
    }

    /// <summary>The terms of a volume's node affinity, where a node meets none of them; null where it meets one, or there are none.</summary>
    public static string? Unmet(V1VolumeNodeAffinity? affinity, V1Node node) => Unmet(Member(affinity?.Required, "nodeSelectorTerms"), node);

    private static string? Unmet(JsonElement? terms, V1Node node)
    {
        var labels = node.Metadata.Labels ?? new Dictionary<string, string>();
        return terms is { ValueKind: JsonValueKind.Array } any && !any.EnumerateArray().Any(term => Matches(term, labels, node.Metadata.Name!))
            ? string.Join(" or ", any.EnumerateArray().Select(Tell))
            : null;
    }

    /// <summary>A term without any requirement matches nothing.</summary>
    private static bool Matches(JsonElement term, IDictionary<string, string> labels, string name)
    {
        var expressions = Items(Member(term, "matchExpressions")).ToList();
        var fields = Items(Member(term, "matchFields")).ToList();
        return expressions.Count + fields.Count > 0
            && expressions.TrueForAll(e => Meets(e, labels.TryGetValue(Text(e, "key"), out var value) ? value : null))
            // The only field there is.
            && fields.TrueForAll(f => Text(f, "key") == "metadata.name" && Meets(f, name));
    }

    private static bool Meets(JsonElement requirement, string? value)
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
        values is [var limit] && long.TryParse(value, CultureInfo.InvariantCulture, out var has) && long.TryParse(limit, CultureInfo.InvariantCulture, out var than)
            ? has.CompareTo(than)
            : null;

    private static string Tell(JsonElement term) => string.Join(" and ", Items(Member(term, "matchExpressions")).Concat(Items(Member(term, "matchFields")))
        .Select(e => $"{Text(e, "key")} {Text(e, "operator")} {string.Join(",", Items(Member(e, "values")).Select(v => v.GetString()))}".TrimEnd()));

    private static string Text(JsonElement item, string field) => Member(item, field)?.GetString() ?? "";

    private static JsonElement? Member(Dictionary<string, JsonElement>? more, string field) =>
        more?.TryGetValue(field, out var found) == true ? found : null;

    private static JsonElement? Member(JsonElement? item, string field) =>
        item is { ValueKind: JsonValueKind.Object } parent && parent.TryGetProperty(field, out var found) ? found : null;

    private static IEnumerable<JsonElement> Items(JsonElement? list) =>
        list is { ValueKind: JsonValueKind.Array } items ? items.EnumerateArray() : [];

    private static IEnumerable<JsonProperty> Objects(JsonElement? item) =>
        item is { ValueKind: JsonValueKind.Object } properties ? properties.EnumerateObject() : [];
}
