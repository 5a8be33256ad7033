using System.Reflection;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Generate;

/// <summary>config/reference: a page per kind, one of every word that stands in conditions and
/// events, and one of settings.</summary>
internal static class ReferenceFolder
{
    internal const string Header =
        "<!-- Generated from api/V1 and config/samples by config/Generate: dotnet run --project config/Generate "
            + "-->\n\n";

    public static GeneratedFolder Make(string samples)
    {
        var documentation = Documentation.OfApi();
        var files = Kinds.All.ToDictionary(
            PageName, kind => Header + new KindPage(kind, documentation, samples).Text);
        files["reasons.md"] = Header + WordsPage.Text(documentation);
        files["settings.md"] = SettingsPage.Header + SettingsPage.Text();
        files["README.md"] = Header + Contents(documentation);
        return new GeneratedFolder("reference", files);
    }

    public static string PageName(Type kind) => $"{kind.Name.ToLowerInvariant()}.md";

    private static string Contents(Documentation documentation) => $"""
        # Reference of {ApiGroup.ApiVersion}

        | kind | `kubectl get` | scope | is |
        |---|---|---|---|
        {string.Join('\n', Kinds.All.Select(kind =>
            $"| [{kind.Name}]({PageName(kind)}) | `{kind.GetCustomAttribute<CalledAttribute>()!.ShortName}` "
            + $"| {(Kinds.Entity(kind).Namespaced ? "namespace" : "cluster")} | {Markdown.Cell(documentation.Summary(kind))} |"))}

        [Reasons, conditions and other words](reasons.md): what each means and what to do.
        [Settings](settings.md) of operator and agents.

        `kubectl explain podmigration.spec.tcpPolicy` says the same as these pages.

        """;
}
