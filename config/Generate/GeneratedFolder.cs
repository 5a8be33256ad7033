namespace PodCheckpointing.Generate;

/// <summary>A folder of generated files, and whether they are what the types say.</summary>
/// <param name="Name">The folder in config/.</param>
/// <param name="Files">Every generated file: its name and its text.</param>
/// <param name="HandWritten">What stands there besides.</param>
internal sealed record GeneratedFolder(
    string Name, IReadOnlyDictionary<string, string> Files, params string[] HandWritten)
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<GeneratedFolder> All(string repository) =>
    [
        CrdFolder.Make(),
        ReferenceFolder.Make(Path.Combine(repository, "config", "samples")),
    ];

    /// <summary>The files that are missing, different, or there without a reason.</summary>
    public IReadOnlyList<string> Stale(string folder)
    {
        var extra = Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)!)
                .Where(name => !HandWritten.Contains(name) && !Files.ContainsKey(name))
            : [];
        return [.. Files.Where(file => !Same(Path.Combine(folder, file.Key), file.Value))
            .Select(file => file.Key), .. extra];
    }

    /// <summary>Writes every file and removes those without a reason.</summary>
    public void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var name in Stale(folder))
        {
            var path = Path.Combine(folder, name);
            if (Files.TryGetValue(name, out var text))
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
