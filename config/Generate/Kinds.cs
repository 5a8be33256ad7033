using System.Reflection;
using k8s;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>The kinds of the API, by reflection: a new one needs no registration.</summary>
internal static class Kinds
{
    /// <summary>Every kind, in the order of their plural names.</summary>
    public static IReadOnlyList<Type> All { get; } =
    [
        .. typeof(PodMigration).Assembly.GetExportedTypes()
            .Where(type => type.GetCustomAttribute<KubernetesEntityAttribute>()?.Group == ApiGroup.Name)
            .OrderBy(type => Entity(type).PluralName, StringComparer.Ordinal),
    ];

    /// <summary>Where the API server serves a kind.</summary>
    public static KubernetesEntityAttribute Entity(Type kind) => kind.GetCustomAttribute<KubernetesEntityAttribute>()!;

    /// <summary>The name of a kind's file.</summary>
    public static string FileName(Type kind) => $"{ApiGroup.Name}_{Entity(kind).PluralName}.yaml";
}
