using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Whether a pod's nodeSelector and its required node affinity let it be on a node, as
/// the scheduler decides it.</summary>
internal static class NodeSelection
{
    /// <summary>What the node lacks; none where the pod may be there.</summary>
    public static IEnumerable<string> Obstacles(V1Pod pod, V1Node node)
    {
        var labels = node.Metadata.Labels ?? new Dictionary<string, string>();
        foreach (var wanted in Json.Fields(Json.Member(pod.Spec.More, "nodeSelector")))
        {
            if (!labels.TryGetValue(wanted.Name, out var has) || has != wanted.Value.GetString())
            {
                yield return $"node {node.Metadata.Name} does not have the label "
                    + $"{wanted.Name}={wanted.Value.GetString()} of the pod's nodeSelector";
            }
        }

        var terms = Json.Member(Json.Member(
            Json.Member(Json.Member(pod.Spec.More, "affinity"), "nodeAffinity"),
            "requiredDuringSchedulingIgnoredDuringExecution"), "nodeSelectorTerms");
        if (Unmet(terms, node) is { } unmet)
        {
            yield return $"node {node.Metadata.Name} meets none of the terms of the pod's required node affinity: "
                + $"{unmet}";
        }
    }

    /// <summary>The terms of a volume's node affinity, where a node meets none of them; null where it
    /// meets one, or there are none.</summary>
    public static string? Unmet(V1VolumeNodeAffinity? affinity, V1Node node) =>
        Unmet(Json.Member(affinity?.Required, "nodeSelectorTerms"), node);

    private static string? Unmet(JsonElement? terms, V1Node node)
    {
        var labels = node.Metadata.Labels ?? new Dictionary<string, string>();
        return terms is { ValueKind: JsonValueKind.Array } any
            && !any.EnumerateArray().Any(term => Matches(term, labels, node.Metadata.Name!))
            ? string.Join(" or ", any.EnumerateArray().Select(Tell))
            : null;
    }

    /// <summary>A term without any requirement matches nothing.</summary>
    private static bool Matches(JsonElement term, IDictionary<string, string> labels, string name)
    {
        var expressions = Json.Items(Json.Member(term, "matchExpressions")).ToList();
        var fields = Json.Items(Json.Member(term, "matchFields")).ToList();
        return expressions.Count + fields.Count > 0
            && expressions.TrueForAll(
                e => Json.Meets(e, labels.TryGetValue(Json.Text(e, "key"), out var value) ? value : null))
            // The only field there is.
            && fields.TrueForAll(f => Json.Text(f, "key") == "metadata.name" && Json.Meets(f, name));
    }

    private static string Tell(JsonElement term) => string.Join(
        " and ", Json.Items(Json.Member(term, "matchExpressions")).Concat(Json.Items(Json.Member(term, "matchFields")))
        .Select(
            e =>
                $"{Json.Text(e, "key")} {Json.Text(e, "operator")} {string.Join(",", Json.Items(Json.Member(e, "values")).Select(v => v.GetString()))}"
                .TrimEnd()));
}
