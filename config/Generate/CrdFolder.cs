using YamlDotNet.Serialization;

namespace PodCheckpointing.Generate;

/// <summary>The folder of the generated files, and whether they are what the types say.</summary>
internal static class CrdFolder
{
    private const string Header =
        "# Generated from the types in api/V1 by config/Generate. Change those, then: dotnet run --project config/Generate\n";

    // Written by hand beside the generated files.
    private const string HandWritten = "kustomization.yaml";

    /// <summary>Every generated file: its name and its text.</summary>
    public static IReadOnlyDictionary<string, string> Files()
    {
        var serializer = new SerializerBuilder().WithQuotingNecessaryStrings().WithIndentedSequences().Build();
        var documentation = Documentation.OfApi();
        return Kinds.All.ToDictionary(
            kind => Kinds.FileName(kind),
            kind => Header + serializer.Serialize(CustomResourceDefinition.For(kind, documentation)));
    }

    /// <summary>The files that are missing, different, or there without a kind.</summary>
    public static IReadOnlyList<string> Stale(string folder)
    {
        var files = Files();
        var extra = Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)!)
                .Where(name => name != HandWritten && !files.ContainsKey(name))
            : [];
        return [.. files.Where(file => !Same(Path.Combine(folder, file.Key), file.Value)).Select(file => file.Key), .. extra];
    }

    /// <summary>Writes every file and removes those without a kind.</summary>
    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        var files = Files();
        foreach (var name in Stale(folder))
        {
            var path = Path.Combine(folder, name);
            if (files.TryGetValue(name, out var text))
            {
                File.WriteAllText(path, text);
            }
            else
            {
                File.Delete(path);
            }
        }
    }

    private static bool Same(string path, string text) => File.Exists(path) && File.ReadAllText(path) == text;
}
