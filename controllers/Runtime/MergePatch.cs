using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;

namespace PodCheckpointing.Runtime;

/// <summary>JSON merge patches (RFC 7386).</summary>
public static class MergePatch
{
    /// <summary>The patch that makes one object of another, by its first level; empty where they are equal.</summary>
    public static JsonObject Between<T>(T? old, T item)
    {
        var before = old is null ? [] : JsonSerializer.SerializeToNode(old, KubernetesJson.Options)!.AsObject();
        var after = JsonSerializer.SerializeToNode(item, KubernetesJson.Options)!.AsObject();
        var changes = new JsonObject();
        foreach (var name in before.Select(p => p.Key).Union(after.Select(p => p.Key)).ToList())
        {
            if (!JsonNode.DeepEquals(before[name], after[name]))
            {
                changes[name] = after[name]?.DeepClone();
            }
        }

        return changes;
    }
}
