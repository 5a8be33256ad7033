using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>The documentation comments of an assembly, from the file that the compiler writes beside it.</summary>
internal sealed partial class Documentation(XDocument file)
{
    private readonly Dictionary<string, XElement> _members =
        file.Descendants("member").ToDictionary(member => member.Attribute("name")!.Value);

    /// <summary>The comments of the API's assembly.</summary>
    public static Documentation OfApi() => Beside(typeof(PodMigration).Assembly);

    /// <summary>The comments of an assembly.</summary>
    public static Documentation Beside(Assembly assembly) =>
        new(XDocument.Load(Path.Combine(AppContext.BaseDirectory, assembly.GetName().Name + ".xml")));

    /// <summary>A type's summary and remarks.</summary>
    public string Of(Type type) => Text($"T:{type.FullName}");

    /// <summary>A property's summary and remarks.</summary>
    public string Of(PropertyInfo property) => Text($"P:{property.DeclaringType!.FullName}.{property.Name}");

    /// <summary>A type's summary alone.</summary>
    public string Summary(Type type) => Element($"T:{type.FullName}", "summary");

    /// <summary>What a constant means.</summary>
    public string Summary(FieldInfo constant) => Element(NameOf(constant), "summary");

    /// <summary>What to know of it besides.</summary>
    public string Remarks(FieldInfo constant) => Element(NameOf(constant), "remarks");

    private static string NameOf(FieldInfo field) => $"F:{field.DeclaringType!.FullName}.{field.Name}";

    private string Element(string member, string name) =>
        _members.TryGetValue(member, out var element) && element.Element(name) is { } part
            ? Plain(part)
            : throw new InvalidOperationException($"{member} has no {name}");

    private string Text(string member)
    {
        var parts = _members.TryGetValue(member, out var element)
            ? new[] { element.Element("summary"), element.Element("remarks") }
            : [];
        var text = string.Join("\n\n", parts.OfType<XElement>().Select(Plain));
        return text.Length > 0 ? text : throw new InvalidOperationException($"{member} has no documentation");
    }

    private static string Plain(XElement element)
    {
        var words = string.Concat(element.DescendantNodes().Select(node => node switch
        {
            XText text => text.Value,
            XElement { Name.LocalName: "see" } see => see.Attribute("cref")?.Value.Split('.')[^1] ?? "",
            _ => "",
        }));
        return Space().Replace(words, " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
