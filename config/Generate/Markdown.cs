namespace PodCheckpointing.Generate;

/// <summary>Text as Markdown wants it.</summary>
internal static class Markdown
{
    /// <summary>Text for a cell of a table.</summary>
    public static string Cell(string text) =>
        text.Replace("|", "\\|", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
            .Replace("\n\n", "<br>", StringComparison.Ordinal);

    /// <summary>Code for a cell of a table.</summary>
    public static string Code(string text) => $"`{text.Replace("|", "\\|", StringComparison.Ordinal)}`";

    /// <summary>A table.</summary>
    public static string Table(string[] headings, IEnumerable<string[]> rows) => string.Join('\n',
        [Row(headings), Row([.. headings.Select(_ => "---")]), .. rows.Select(Row)]) + "\n";

    private static string Row(string[] cells) => $"| {string.Join(" | ", cells)} |";
}
