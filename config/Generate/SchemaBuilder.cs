using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>Makes the structural schema of a type from its properties, their
/// attributes and their documentation.</summary>
internal sealed class SchemaBuilder(Documentation documentation)
{
    private const string Validations = "x-kubernetes-validations";

    /// <summary>The schema of a whole kind.</summary>
    public Dictionary<string, object> Root(Type kind)
    {
        var schema = Object(kind);
        var properties = (Dictionary<string, object>)schema["properties"];
        // The API server knows the metadata's schema and allows nothing else here.
        properties["metadata"] = new Dictionary<string, object> { ["type"] = "object" };
        return schema;
    }

    private Dictionary<string, object> Object(Type type)
    {
        var fields = type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.GetCustomAttribute<JsonIgnoreAttribute>() is null
                && property.GetCustomAttribute<JsonExtensionDataAttribute>() is null)
            .ToList();
        Dictionary<string, object> schema = new()
        {
            ["description"] = documentation.Of(type),
            ["type"] = "object",
        };
        var required = fields.Where(IsRequired).Select(WireName).ToArray();
        if (required.Length > 0)
        {
            schema["required"] = required;
        }

        schema["properties"] = fields.ToDictionary(WireName, field => (object)Field(type, field));
        AddRules(schema, [.. type.GetCustomAttributes<RuleAttribute>()
            .Select(Rules.Of), .. fields.SelectMany(Rules.OfParent)]);
        return schema;
    }

    private Dictionary<string, object> Field(Type owner, PropertyInfo field)
    {
        Dictionary<string, object> schema = new() { ["description"] = Described(owner, field) };
        var type = Nullable.GetUnderlyingType(field.PropertyType) ?? field.PropertyType;
        if (type.IsGenericType)
        {
            AddList(schema, field, type.GetGenericArguments()[0]);
        }
        else
        {
            Merge(schema, Value(type));
        }

        if (field.GetCustomAttribute<TextAttribute>() is { } text)
        {
            schema["maxLength"] = text.MaxLength;
            AddIfPresent(schema, "pattern", text.Pattern);
        }

        if (field.GetCustomAttribute<BoundsAttribute>() is { } bounds)
        {
            schema["minimum"] = bounds.Minimum;
            AddIfPresent(schema, "maximum", bounds.Maximum == long.MaxValue ? null : bounds.Maximum);
        }

        AddIfPresent(schema, "enum", field.GetCustomAttribute<OneOfAttribute>()?.Values);
        AddRules(schema, [.. Rules.OfField(field)]);
        return schema;
    }

    private Dictionary<string, object> Value(Type type) => type switch
    {
        _ when type == typeof(string) => new() { ["type"] = "string" },
        _ when type == typeof(bool) => new() { ["type"] = "boolean" },
        _ when type == typeof(int) => new() { ["type"] = "integer", ["format"] = "int32" },
        _ when type == typeof(long) => new() { ["type"] = "integer", ["format"] = "int64" },
        _ when type == typeof(DateTime) => new() { ["type"] = "string", ["format"] = "date-time" },
        _ when type == typeof(V1Condition) => ConditionSchema.Make(),
        _ when type == typeof(V1ObjectMeta) => new() { ["type"] = "object" },
        _ when type.Namespace == typeof(PodMigration).Namespace => Object(type),
        _ => throw new NotSupportedException(
            $"no schema for {type}: use string, bool, int, long, DateTime or a record"),
    };

    private void AddList(Dictionary<string, object> schema, PropertyInfo field, Type item)
    {
        var items = field.GetCustomAttribute<ItemsAttribute>()
            ?? throw new InvalidOperationException(
                $"{field.DeclaringType!.Name}.{field.Name} is a list without a limit: add [Items]");
        schema["type"] = "array";
        schema["maxItems"] = items.MaxItems;
        schema["x-kubernetes-list-type"] = items.Key is null ? "atomic" : "map";
        if (items.Key is not null)
        {
            schema["x-kubernetes-list-map-keys"] = new[] { items.Key };
        }

        schema["items"] = Value(item);
    }

    // A field's own text says more than its type's.
    private static void Merge(Dictionary<string, object> schema, Dictionary<string, object> more)
    {
        foreach (var (key, value) in more)
        {
            schema.TryAdd(key, value);
        }
    }

    private static void AddIfPresent(Dictionary<string, object> schema, string key, object? value)
    {
        if (value is not null)
        {
            schema[key] = value;
        }
    }

    private static void AddRules(Dictionary<string, object> schema, List<Dictionary<string, object>> rules)
    {
        if (rules.Count == 0)
        {
            return;
        }

        schema[Validations] = schema.TryGetValue(Validations, out var before)
            ? [.. (List<Dictionary<string, object>>)before, .. rules]
            : rules;
    }

    private string Described(Type owner, PropertyInfo field)
    {
        var name = WireName(field);
        if (name is "apiVersion" or "kind" or "metadata")
        {
            return ConditionSchema.TypeMetaText(name);
        }

        var text = documentation.Of(field);
        return text.StartsWith(name, StringComparison.Ordinal)
            ? text
            : throw new InvalidOperationException(
                $"the text of {owner.Name}.{field.Name} must begin with {name}: \"{text}\"");
    }

    internal static bool IsRequired(PropertyInfo field) =>
        field.GetCustomAttribute<RequiredFieldAttribute>() is not null;

    internal static string WireName(PropertyInfo field) =>
        field.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name
        ?? JsonNamingPolicy.CamelCase.ConvertName(field.Name);
}
