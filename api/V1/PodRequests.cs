using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>What pods ask of their node, as the scheduler counts it.</summary>
public static class PodRequests
{
    /// <summary>The resource of which every pod takes one.</summary>
    internal const string Pods = "pods";

    // Pods are not changed once they are read, and a node's are counted again and again.
    private static readonly ConditionalWeakTable<V1Pod, IReadOnlyDictionary<string, decimal>> Known = [];

    /// <summary>By resource; an init container's count only where they are more than all that run together.</summary>
    public static IReadOnlyDictionary<string, decimal> Of(V1Pod pod) =>
        Known.GetValue(pod, p => Count(p, withInit: true));

    /// <summary>What the pod asks for that goes on with a checkpoint of this one: those of its init containers that
    /// have ended are not run again.</summary>
    public static IReadOnlyDictionary<string, decimal> OfRestored(V1Pod pod) => Count(pod, withInit: false);

    private static Dictionary<string, decimal> Count(V1Pod pod, bool withInit)
    {
        var sum = new Dictionary<string, decimal>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.Containers)
        {
            Add(sum, RequestsIn(container.More));
        }

        // Sidecars run beside what comes after them (KEP-753).
        var sidecars = new Dictionary<string, decimal>(StringComparer.Ordinal);
        var most = new Dictionary<string, decimal>(StringComparer.Ordinal);
        foreach (var container in pod.Spec.InitContainers ?? [])
        {
            var requests = RequestsIn(container.More);
            if (container.RestartPolicy == "Always")
            {
                Add(sum, requests);
                Add(sidecars, requests);
            }
            else if (withInit)
            {
                Raise(most, requests.ToDictionary(r => r.Key, r => r.Value + sidecars.GetValueOrDefault(r.Key)));
            }
        }

        Raise(sum, most);
        // What the pod says as a whole counts instead (KEP-2837).
        foreach (var (resource, amount) in RequestsIn(pod.Spec.More))
        {
            sum[resource] = amount;
        }

        Add(sum, AmountsIn(pod.Spec.More, "overhead"));
        sum[Pods] = 1;
        return sum;
    }

    private static Dictionary<string, decimal> RequestsIn(Dictionary<string, JsonElement>? more) =>
        more?.TryGetValue("resources", out var resources) == true && resources.ValueKind == JsonValueKind.Object
        && resources.TryGetProperty("requests", out var requests)
            ? AmountsOf(requests)
            : [];

    /// <summary>The amounts in a field that is not modelled.</summary>
    internal static Dictionary<string, decimal> AmountsIn(Dictionary<string, JsonElement>? more, string field) =>
        more?.TryGetValue(field, out var amounts) == true ? AmountsOf(amounts) : [];

    private static Dictionary<string, decimal> AmountsOf(JsonElement amounts)
    {
        var result = new Dictionary<string, decimal>(StringComparer.Ordinal);
        if (amounts.ValueKind != JsonValueKind.Object)
        {
            return result;
        }

        foreach (var property in amounts.EnumerateObject())
        {
            // JSON allows plain numbers.
            var text = property.Value.ValueKind == JsonValueKind.Number
                ? property.Value.GetRawText()
                : property.Value.GetString();
            if (Quantity.TryParse(text, out var number))
            {
                result[property.Name] = number;
            }
        }

        return result;
    }

    /// <summary>An amount of a resource for people.</summary>
    internal static string Tell(string resource, decimal amount) =>
        resource is "memory" or "ephemeral-storage" || resource.StartsWith("hugepages-", StringComparison.Ordinal)
            ? Quantity.OfBytes(amount)
            : amount.ToString("0.###", CultureInfo.InvariantCulture);

    private static void Add(Dictionary<string, decimal> to, Dictionary<string, decimal> amounts)
    {
        foreach (var (resource, amount) in amounts)
        {
            to[resource] = to.GetValueOrDefault(resource) + amount;
        }
    }

    private static void Raise(Dictionary<string, decimal> to, Dictionary<string, decimal> amounts)
    {
        foreach (var (resource, amount) in amounts)
        {
            to[resource] = Math.Max(to.GetValueOrDefault(resource), amount);
        }
    }
}
