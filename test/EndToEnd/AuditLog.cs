using System.Text.Json;

namespace PodCheckpointing.EndToEnd;

/// <summary>A right at the API server: what a rule of RBAC grants, and what a call needs.</summary>
internal sealed record Right(string Group, string Resource, string Verb)
{
    public override string ToString() => $"{Verb} {Resource}{(Group.Length == 0 ? "" : "." + Group)}";
}

/// <summary>What the API server has written down of who called it.</summary>
internal static class AuditLog
{
    /// <summary>Every call that a user has made for a resource, and how it was answered.</summary>
    public static IReadOnlyList<(Right Right, int Code)> CallsOf(string user, string file)
    {
        var result = new List<(Right, int)>();
        foreach (var line in LocalCluster.LocalCluster.WholeLines(file))
        {
            using var document = JsonDocument.Parse(line);
            var entry = document.RootElement;
            if (entry.GetProperty("user").GetProperty("username").GetString() != user
                || !entry.TryGetProperty("objectRef", out var reference))
            {
                continue;
            }

            var resource =
                Text(reference, "resource") + (Text(reference, "subresource") is { Length: > 0 } sub ? "/" + sub : "");
            var code = entry.TryGetProperty("responseStatus", out var status)
                && status.TryGetProperty("code", out var c) ? c.GetInt32() : 0;
            result.Add(
                (new Right(Text(reference, "apiGroup"), resource, entry.GetProperty("verb").GetString()!), code));
        }

        return result;
    }

    /// <summary>The rights in the rules of the roles whose name begins so, of a list as kubectl prints it.</summary>
    public static IReadOnlySet<Right> Granted(string json, string name)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("items").EnumerateArray()
            .Where(role => role.GetProperty("metadata").GetProperty("name").GetString()!.StartsWith(
                name, StringComparison.Ordinal))
            .SelectMany(role => role.GetProperty("rules").EnumerateArray())
            .SelectMany(rule =>
                from @group in Texts(rule, "apiGroups")
                from resource in Texts(rule, "resources")
                from verb in Texts(rule, "verbs")
                select new Right(@group, resource, verb))
            .ToHashSet();
    }

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) ? value.GetString()! : "";

    private static IEnumerable<string> Texts(JsonElement element, string name) =>
        element.GetProperty(name).EnumerateArray().Select(v => v.GetString()!);
}
