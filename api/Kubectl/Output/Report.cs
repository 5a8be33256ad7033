using Spectre.Console;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>Facts and tables: drawn on a terminal, plain lines elsewhere.</summary>
internal static class Report
{
    public static void Write(
        Terminal terminal,
        IReadOnlyList<(string Label, string Value)> facts,
        params (string Title, TextTable Table)[] tables)
    {
        if (terminal.IsInteractive)
        {
            Drawing.Write(terminal, facts, tables);
            return;
        }

        var left = new TextTable("", "");
        foreach (var (label, value) in facts)
        {
            left.Add(label + ":", value);
        }

        left.Write(terminal.Out);
        var first = facts.Count == 0;
        foreach (var (title, table) in tables.Where(part => part.Table.Rows.Count > 0))
        {
            if (!first)
            {
                terminal.Out.WriteLine();
            }

            first = false;
            if (title.Length > 0)
            {
                terminal.Out.WriteLine(title + ":");
            }

            table.Write(terminal.Out, title.Length > 0 ? "  " : "");
        }
    }
}

/// <summary>The same, drawn. Apart from the above so that a pipe does not wait for the drawing library.</summary>
internal static class Drawing
{
    private static readonly string[] Good = ["Completed", "Restored", "True", "ok", "Ready"];
    private static readonly string[] Bad = ["Failed", "RolledBack", "False", "no", "ColdStarted"];

    public static IAnsiConsole ConsoleOf(Terminal terminal)
    {
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Out), Ansi = AnsiSupport.Yes });
        console.Profile.Width = Math.Max(40, terminal.Width);
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")))
        {
            console.Profile.Capabilities.ColorSystem = ColorSystem.NoColors;
        }

        return console;
    }

    public static void Write(
        Terminal terminal,
        IReadOnlyList<(string Label, string Value)> facts,
        IEnumerable<(string Title, TextTable Table)> tables)
    {
        var console = ConsoleOf(terminal);
        console.Write(Facts(facts));
        foreach (var (title, table) in tables.Where(part => part.Table.Rows.Count > 0))
        {
            console.Write(Table(title, table));
        }
    }

    public static Grid Facts(IReadOnlyList<(string Label, string Value)> facts)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var (label, value) in facts)
        {
            grid.AddRow($"[grey]{Markup.Escape(label)}[/]", Coloured(value));
        }

        return grid;
    }

    public static Table Table(string title, TextTable text)
    {
        var table = new Table().RoundedBorder().BorderColor(Color.Grey);
        if (title.Length > 0)
        {
            table.Title = new TableTitle(Markup.Escape(title));
        }

        foreach (var header in text.Headers)
        {
            table.AddColumn($"[bold]{Markup.Escape(header)}[/]");
        }

        foreach (var row in text.Rows)
        {
            table.AddRow([.. row.Select(Coloured)]);
        }

        return table;
    }

    private static string Coloured(string value)
    {
        var word = value.Split(',')[0];
        var colour = Good.Contains(word) ? "green" : Bad.Contains(word) ? "red" : null;
        return colour is null ? Markup.Escape(value) : $"[{colour}]{Markup.Escape(value)}[/]";
    }
}
