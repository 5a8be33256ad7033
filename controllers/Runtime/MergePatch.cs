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
        using var before = JsonSerializer.SerializeToDocument(old, KubernetesJson.Options);
        using var after = JsonSerializer.SerializeToDocument(item, KubernetesJson.Options);
        var changes = new JsonObject();
        foreach (var field in after.RootElement.EnumerateObject())
        {
            if (ValueOf(before.RootElement, field.Name) is not { } value || !JsonElement.DeepEquals(value, field.Value))
            {
                changes[field.Name] = JsonNode.Parse(field.Value.GetRawText());
            }
        }

        if (old is not null)
        {
            foreach (var field in before.RootElement.EnumerateObject()
                .Where(f => ValueOf(after.RootElement, f.Name) is null))
            {
                changes[field.Name] = null;
            }
        }

        return changes;
    }

    private static JsonElement? ValueOf(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out var value) ? value : null;
}
