using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using PodCheckpointing.Agent;
using PodCheckpointing.Manager;

namespace PodCheckpointing.Generate;

/// <summary>The page of settings: what operator and agents read from their configuration.</summary>
internal static class SettingsPage
{
    public const string Header =
        "<!-- Generated from the options of controllers/Manager and agent by config/Generate: dotnet run --project "
            + "config/Generate -->\n\n";

    private static readonly (string Section, object Defaults)[] Programs =
        [(OperatorOptions.Section, new OperatorOptions()), (AgentOptions.Section, new AgentOptions())];

    /// <summary>The page's text.</summary>
    public static string Text() => $"""
        # Settings

        Of the operator and of each node's agent, by the variables of their containers' environment: in an overlay of `config/manager` and
        `config/agent`, or in the chart's `operator.settings` and `agent.settings`, where a name is written without its first word and with `:`
        for `__` (`Retention:MaxPerPod`). They are read once, at the start. One that nobody knows, and a value that is out of its range, stops
        the program; its log names it.

        {string.Join('\n', Programs.SelectMany(program => Tables(program.Section, program.Defaults)))}
        """;

    private static IEnumerable<string> Tables(string section, object defaults)
    {
        var documentation = Documentation.Beside(defaults.GetType().Assembly);
        var settings = defaults.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.CanWrite || property.PropertyType.IsAssignableTo(typeof(IEnumerable<string>)))
            .ToList();
        yield return $"""
            ## {section}

            {documentation.Of(defaults.GetType())}

            {Markdown.Table(["environment", "value", "default", "meaning"], settings.Where(setting => !IsSection(setting)).Select(setting => new[]
                {
                    Markdown.Code(Variable(section, setting)), Value(setting), Default(setting, defaults), Markdown.Cell(documentation.Of(setting)),
                }))}
            """;
        foreach (var table in settings.Where(IsSection)
            .SelectMany(inner => Tables($"{section}:{inner.Name}", inner.GetValue(defaults)!)))
        {
            yield return table;
        }
    }

    private static bool IsSection(PropertyInfo setting) =>
        setting.PropertyType.IsClass && setting.PropertyType.Assembly == setting.DeclaringType!.Assembly;

    private static string Variable(string section, PropertyInfo setting) =>
        $"{section.Replace(":", "__", StringComparison.Ordinal)}__{setting.Name}{(IsList(setting) ? "__0" : "")}";

    private static bool IsList(PropertyInfo setting) =>
        setting.PropertyType != typeof(string) && setting.PropertyType.IsAssignableTo(typeof(IEnumerable));

    private static string Value(PropertyInfo setting)
    {
        var type = Nullable.GetUnderlyingType(setting.PropertyType) ?? setting.PropertyType;
        var kind = type switch
        {
            _ when type == typeof(string) => "text",
            _ when type == typeof(bool) => "`true` or `false`",
            _ when type == typeof(TimeSpan) => "time, `[d.]hh:mm:ss`",
            { IsEnum: true } => string.Join(" or ", Enum.GetNames(type).Select(Markdown.Code)),
            _ when IsList(setting) => "texts, each with its own number: `__0`, `__1`",
            _ when setting.Name.Contains("Seconds", StringComparison.Ordinal) => "seconds",
            _ when setting.Name.Contains("Bytes", StringComparison.Ordinal)
                || setting.Name.EndsWith("Size", StringComparison.Ordinal) => "bytes",
            _ when setting.Name.EndsWith("Port", StringComparison.Ordinal) => "TCP port",
            _ => "number",
        };
        return kind + (setting.GetCustomAttribute<RangeAttribute>() is { } range ? $", {Range(range)}" : "");
    }

    private static string Range(RangeAttribute range) => range.Maximum is int.MaxValue or (double)long.MaxValue
        ? Invariant($"{range.Minimum} or more")
        : Invariant($"{range.Minimum} to {range.Maximum}");

    private static string Default(PropertyInfo setting, object defaults) => setting.GetValue(defaults) switch
    {
        null or "" when setting.GetCustomAttribute<RequiredAttribute>() is not null => "none: it must be set",
        null or "" or ICollection { Count: 0 } => "not set",
        bool value => Markdown.Code(value ? "true" : "false"),
        var value => Markdown.Code(Invariant($"{value}")),
    };

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
