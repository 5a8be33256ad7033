using System.Text.RegularExpressions;

namespace PodCheckpointing.TestKit;

/// <summary>README.md as its reader meets it: what stands in fences, with the headings above.</summary>
internal static partial class Readme
{
    /// <summary>The repository.</summary>
    public static string Root { get; } = FindRoot();

    public static string Text { get; } = File.ReadAllText(Path.Combine(Root, "README.md"));

    public static IReadOnlyList<ReadmeBlock> Blocks { get; } = [.. Fence().Matches(Text).Select(
        m => new ReadmeBlock(m.Groups[1].Value, m.Groups[2].Value))];

    /// <summary>The text outside of fences.</summary>
    public static string Prose { get; } = Fence().Replace(Text, "");

    /// <summary>The one block of commands that begins with these words.</summary>
    public static string Commands(string beginning) =>
        Blocks.Single(b => b.IsCommands && b.Text.StartsWith(beginning, StringComparison.Ordinal)).Text;

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "PodCheckpointing.sln")))
        {
            folder = Path.GetDirectoryName(folder)
                ?? throw new InvalidOperationException("no PodCheckpointing.sln above the program");
        }

        return folder;
    }

    [GeneratedRegex("^```([a-z]*)\n(.*?)^```$", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Fence();
}

/// <summary>What stands between two fences.</summary>
internal sealed record ReadmeBlock(string Language, string Text)
{
    public bool IsCommands => Language == "sh";
}
