namespace PodCheckpointing.Kubectl.Output;

/// <summary>Columns as kubectl writes them: three blanks between, nothing after the last.</summary>
internal sealed class TextTable(params string[] headers)
{
    private readonly List<string[]> _rows = [];

    public IReadOnlyList<string> Headers => headers;

    public IReadOnlyList<string[]> Rows => _rows;

    public TextTable Add(params string?[] cells)
    {
        _rows.Add([.. cells.Select(cell => (cell ?? "").ReplaceLineEndings(" "))]);
        return this;
    }

    public void Write(TextWriter writer, string indent = "")
    {
        string[][] all = headers.Any(header => header.Length > 0) ? [headers, .. _rows] : [.. _rows];
        var widths = Enumerable.Range(0, headers.Length)
            .Select(column => all.Select(row => row[column].Length).DefaultIfEmpty().Max())
            .ToArray();
        foreach (var row in all)
        {
            writer.WriteLine(
                (indent + string.Join("   ", row.Select((cell, column) => cell.PadRight(widths[column])))).TrimEnd());
        }
    }
}
