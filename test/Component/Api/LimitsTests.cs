using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Api;

/// <summary>Every limit of every field (needed, pattern, length, words, bounds, number of items) on the real API
/// server: a finished object with just that field broken is refused, and the field is named.</summary>
public sealed class LimitsTests
{
    private const string Broken = "!";

    [OneTimeSetUp]
    public Task GivenFinishedObjectsAsync() => ApiCluster.AcceptAsync(Samples.Finished());

    [TestCaseSource(typeof(Kinds), nameof(Kinds.All))]
    public async Task Every_limit_holds(Type kind)
    {
        var server = ApiCluster.Server;
        var plural = Kinds.Entity(kind).PluralName;
        var name = kind == typeof(CheckpointNode) ? "node-a" : "counter-done";
        var stored = (await server.KubectlAsync(null, "get", plural, name, "-o", "json")).Output;
        var schema = new SchemaBuilder(Documentation.OfApi()).Root(kind);
        var limits = new[] { "spec", "status" }.Where(Properties(schema).ContainsKey)
            .SelectMany(part => Limits((Dictionary<string, object>)Properties(schema)[part], part)).ToList();
        var held = new ConcurrentBag<string>();
        var broken = new ConcurrentBag<string>();

        await Parallel.ForEachAsync(
            limits, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (limit, _) =>
            {
                var changed = JsonNode.Parse(stored)!.AsObject();
                limit.Break(changed);
                string[] arguments = ["replace", "--dry-run=server", "--validate=false", "-f", "-"];
                var (code, output) = await server.KubectlAsync(
                    changed.ToJsonString(),
                    limit.Path.StartsWith("status", StringComparison.Ordinal)
                        ? [.. arguments, "--subresource=status"]
                        : arguments);
                (code != 0 && output.Contains(limit.Path, StringComparison.Ordinal) && output.Contains(
                    limit.Says, StringComparison.Ordinal)
                    ? held : broken).Add($"{limit.Path}, {limit.Says}: {output}");
            });

        broken.Should().BeEmpty();
        held.Should().HaveCountGreaterThan(20);
    }

    /// <param name="Path">The field.</param>
    /// <param name="Says">What the server says when it is broken.</param>
    /// <param name="Break">Breaks it in an object.</param>
    private sealed record Limit(string Path, string Says, Action<JsonObject> Break);

    private static Dictionary<string, object> Properties(Dictionary<string, object> schema) =>
        schema.TryGetValue("properties", out var own) ? (Dictionary<string, object>)own : [];

    private static IEnumerable<Limit> Limits(Dictionary<string, object> schema, string path)
    {
        var required = schema.TryGetValue("required", out var names) ? (string[])names : [];
        foreach (var (name, value) in Properties(schema))
        {
            var field = (Dictionary<string, object>)value;
            var here = $"{path}.{name}";
            if (required.Contains(name))
            {
                yield return new Limit($"{here}: ", "Required value", o => Parent(o, here).Remove(name));
            }

            foreach (var limit in OfValue(field, here, name))
            {
                yield return limit;
            }

            if (field.TryGetValue("items", out var items))
            {
                foreach (var limit in Limits((Dictionary<string, object>)items, $"{here}[0]"))
                {
                    yield return limit;
                }
            }

            foreach (var limit in Limits(field, here))
            {
                yield return limit;
            }
        }
    }

    private static IEnumerable<Limit> OfValue(Dictionary<string, object> field, string path, string name)
    {
        Limit Setting(string says, Func<JsonNode?> value) =>
            new($"{path}: ", says, o => Parent(o, path)[name] = value());

        if (field.ContainsKey("pattern"))
        {
            yield return Setting("should match", () => Broken);
        }

        if (field.TryGetValue("maxLength", out var length))
        {
            yield return Setting("Too long", () => new string('a', (int)length + 1));
        }

        if (field.ContainsKey("enum"))
        {
            yield return Setting("Unsupported value", () => Broken);
        }

        if (field.TryGetValue("minimum", out var minimum))
        {
            yield return Setting("greater than or equal to", () => Convert.ToInt64(minimum) - 1);
        }

        if (field.TryGetValue("maximum", out var maximum))
        {
            yield return Setting("less than or equal to", () => Convert.ToInt64(maximum) + 1);
        }

        if (field.TryGetValue("maxItems", out var most))
        {
            var item = (Dictionary<string, object>)field["items"];
            yield return Setting(
                "Too many", () => new JsonArray([.. Enumerable.Range(0, (int)most + 1).Select(i => Item(item, i))]));
        }

        if (field.TryGetValue("x-kubernetes-list-map-keys", out _))
        {
            yield return new Limit($"{path}[1]: ", "Duplicate value", o =>
            {
                var list = Parent(o, path)[name]!.AsArray();
                list.Insert(0, list[0]!.DeepClone());
            });
        }
    }

    private static JsonNode Item(Dictionary<string, object> schema, int number) => (string)schema["type"] == "string"
        ? $"a{number}"
        : new JsonObject(((string[])schema["required"]).Select(name =>
            KeyValuePair.Create(name, (JsonNode?)(name switch
            {
                "status" => "True",
                "lastTransitionTime" => "2026-11-21T00:34:13Z",
                _ => $"a{number}",
            }))));

    /// <summary>The object that holds a field; made where the sample has none.</summary>
    private static JsonObject Parent(JsonObject root, string path)
    {
        var here = root;
        foreach (var part in path.Split('.')[..^1])
        {
            var name = part.Replace("[0]", "", StringComparison.Ordinal);
            if (name == part)
            {
                here = (here[name] ??= new JsonObject()).AsObject();
            }
            else
            {
                here = here[name]![0]!.AsObject();
            }
        }

        return here;
    }
}
