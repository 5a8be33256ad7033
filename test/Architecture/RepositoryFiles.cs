using System.Xml.Linq;

namespace PodCheckpointing.Architecture;

/// <summary>The repository as it lies on disk, without what builds leave behind.</summary>
internal static class RepositoryFiles
{
    private static readonly string[] Leftovers = ["bin", "obj", ".git", ".vs", ".idea", "TestResults", "artifacts"];

    public static string Root { get; } = FindRoot();

    /// <summary>Every file, by its path from the root with forward slashes.</summary>
    public static IReadOnlyList<string> All { get; } =
        [
        // A worktree has a file of that name.
        .. Walk(Root).Select(Relative).Where(file => file != ".git").Order(StringComparer.Ordinal),
    ];

    public static IEnumerable<string> Projects => All.Where(file => file.EndsWith(".csproj", StringComparison.Ordinal));

    public static IEnumerable<string> TopFolders => Directory.EnumerateDirectories(Root)
        .Select(folder => Path.GetFileName(folder)!)
        .Where(name => !name.StartsWith('.') && !Leftovers.Contains(name));

    public static string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    /// <summary>The projects that a project refers to, as paths from the root.</summary>
    public static IEnumerable<string> References(string project) =>
        Items(project, "ProjectReference").Select(include =>
            Relative(Path.GetFullPath(
                Path.Combine(Root, Path.GetDirectoryName(project)!, include.Replace('\\', '/')))));

    public static IEnumerable<string> Packages(string project) => Items(project, "PackageReference");

    private static IEnumerable<string> Items(string project, string name) =>
        XDocument.Parse(Read(project)).Descendants(name).Select(item => item.Attribute("Include")!.Value);

    private static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    private static IEnumerable<string> Walk(string folder) => Directory.EnumerateFiles(folder)
        .Concat(new DirectoryInfo(folder).EnumerateDirectories()
            .Where(child => child.LinkTarget is null && !Leftovers.Contains(child.Name))
            .SelectMany(child => Walk(child.FullName)));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PodCheckpointing.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new DirectoryNotFoundException("the tests do not lie in the repository");
    }
}
