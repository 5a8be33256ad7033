using NUnit.Framework;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Api;

/// <summary>The files of config/samples as test cases.</summary>
internal static class Samples
{
    private const string ErrorLine = "# error: ";
    private const string StatusLine = "# subresource: status\n";

    private static readonly string Folder =
        Path.Combine(Repository.Root(AppContext.BaseDirectory), "config", "samples");

    public static string Definitions { get; } = Path.Combine(Folder, "..", "crd");

    public static IEnumerable<TestCaseData> Valid() =>
        Files("valid").Select(file => Case(file, (object)Documents(file)));

    /// <summary>The accepted objects with the status of a finished one, in two documents each.</summary>
    public static IEnumerable<string> Finished() => Files("valid")
        .Where(file => file.EndsWith("-status.yaml", StringComparison.Ordinal)).SelectMany(Documents);

    /// <summary>The documents of one that is accepted.</summary>
    public static IEnumerable<string> Of(string name) => Documents(Path.Combine(Folder, "valid", $"{name}.yaml"));

    /// <summary>Whether a document is to be applied to the status.</summary>
    public static bool IsStatus(string document) => document.Contains(StatusLine, StringComparison.Ordinal);

    public static IEnumerable<TestCaseData> Invalid() => Files("invalid").Select(file => Case(
        file,
        Documents(file),
        File.ReadLines(file).Single(line => line.StartsWith(ErrorLine, StringComparison.Ordinal))[ErrorLine.Length..]));

    public static string Demo(string name) => File.ReadAllText(Path.Combine(Folder, "demo", name));

    private static IEnumerable<string> Files(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Folder, folder), "*.yaml").Order(StringComparer.Ordinal);

    private static string[] Documents(string file) => File.ReadAllText(file).Split("\n---\n");

    private static TestCaseData Case(string file, params object[] arguments) =>
        new TestCaseData(arguments).SetArgDisplayNames(Path.GetFileNameWithoutExtension(file));
}
