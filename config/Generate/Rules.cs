using System.Reflection;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>The CEL rules that attributes stand for.</summary>
internal static class Rules
{
    public static Dictionary<string, object> Of(RuleAttribute rule) => rule.Field is { } field
        ? AtField(field, rule.Expression, rule.Message)
        : new() { ["rule"] = rule.Expression, ["message"] = rule.Message };

    /// <summary>The rules that stand on the field itself; they run only while it is there, before and after.</summary>
    public static IEnumerable<Dictionary<string, object>> OfField(PropertyInfo field)
    {
        foreach (var rule in field.GetCustomAttributes<RuleAttribute>())
        {
            yield return Of(rule);
        }

        if (Has<ImmutableAttribute>(field) && SchemaBuilder.IsRequired(field))
        {
            yield return Of(new("self == oldSelf", $"{SchemaBuilder.WireName(field)} is immutable"));
        }
    }

    /// <summary>
    /// The rules about an optional field, which must stand on its parent: a field's own rules see neither its coming
    /// nor its going.
    /// </summary>
    public static IEnumerable<Dictionary<string, object>> OfParent(PropertyInfo field)
    {
        var name = SchemaBuilder.WireName(field);
        if (Has<ImmutableAttribute>(field) && !SchemaBuilder.IsRequired(field))
        {
            yield return AtField(
                name,
                $"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
                $"{name} is immutable");
        }

        if (Has<ImmutableOnceSetAttribute>(field))
        {
            yield return AtField(
                name,
                $"!has(oldSelf.{name}) || (has(self.{name}) && self.{name} == oldSelf.{name})",
                $"{name} is immutable once set");
        }
    }

    private static Dictionary<string, object> AtField(string name, string expression, string message) => new()
    {
        ["rule"] = expression,
        ["message"] = message,
        ["fieldPath"] = "." + name,
    };

    private static bool Has<T>(PropertyInfo field)
        where T : Attribute => field.GetCustomAttribute<T>() is not null;
}
