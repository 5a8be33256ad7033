using NUnit.Framework;
using PodCheckpointing.Generate;

namespace PodCheckpointing.Component.Api;

/// <summary>The files of config/samples as test cases.</summary>
internal static class Samples
{
    private const string ErrorLine = "# error: ";

    private static readonly string Folder =
        Path.Combine(Repository.Root(AppContext.BaseDirectory), "config", "samples");

    public static string Definitions { get; } = Path.Combine(Folder, "..", "crd");

    public static IEnumerable<TestCaseData> Valid() => Files("valid").Select(file => Case(file, (object)Documents(file)));

    /// <summary>The accepted objects that nobody changes afterwards.</summary>
    public static IEnumerable<string> Single() =>
        Files("valid").Select(Documents).Where(documents => documents.Length == 1).Select(documents => documents[0]);

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
