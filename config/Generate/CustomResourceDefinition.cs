using System.Reflection;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>Makes the CustomResourceDefinition of a kind, as nested dictionaries in the order of the file.</summary>
internal static class CustomResourceDefinition
{
    public static Dictionary<string, object> For(Type kind, Documentation documentation)
    {
        var entity = Kinds.Entity(kind);
        var called = kind.GetCustomAttribute<CalledAttribute>()
            ?? throw new InvalidOperationException($"{kind.Name} has no [Called]: give it a short name and a category");
        return new()
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new Dictionary<string, object> { ["name"] = $"{entity.PluralName}.{entity.Group}" },
            ["spec"] = new Dictionary<string, object>
            {
                ["group"] = entity.Group,
                ["names"] = new Dictionary<string, object>
                {
                    ["kind"] = entity.Kind,
                    ["listKind"] = entity.Kind + "List",
                    ["plural"] = entity.PluralName,
                    ["singular"] = entity.Kind.ToLowerInvariant(),
                    ["shortNames"] = new[] { called.ShortName },
                    ["categories"] = called.Categories,
                },
                ["scope"] = entity.Namespaced ? "Namespaced" : "Cluster",
                ["versions"] = new[] { Version(kind, entity.ApiVersion, documentation) },
            },
        };
    }

    private static Dictionary<string, object> Version(Type kind, string name, Documentation documentation) => new()
    {
        ["name"] = name,
        ["served"] = true,
        ["storage"] = true,
        ["subresources"] = new Dictionary<string, object> { ["status"] = new Dictionary<string, object>() },
        ["additionalPrinterColumns"] =
            kind.GetCustomAttributes<PrinterColumnAttribute>().Select(Column).ToArray(),
        ["schema"] =
            new Dictionary<string, object> { ["openAPIV3Schema"] = new SchemaBuilder(documentation).Root(kind) },
    };

    private static Dictionary<string, object> Column(PrinterColumnAttribute column)
    {
        Dictionary<string, object> result = new()
        {
            ["name"] = column.Name,
            ["type"] = column.Type,
            ["jsonPath"] = column.JsonPath,
        };
        if (column.Priority != 0)
        {
            result["priority"] = column.Priority;
        }

        return result;
    }
}
