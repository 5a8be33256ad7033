using System.Globalization;
using System.Text;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>The text format of Prometheus, version 0.0.4.</summary>
internal static class TextExposition
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Write(IEnumerable<MetricFamily> families)
    {
        var text = new StringBuilder();
        foreach (var family in families)
        {
            var definition = family.Definition;
            var series = family.Snapshot();
            if (series.Count == 0)
            {
                continue;
            }

            text.Append("# HELP ").Append(definition.Name).Append(' ').Append(EscapeHelp(definition.Help)).Append('\n');
            text.Append("# TYPE ").Append(definition.Name).Append(' ')
                .Append(definition.Kind.ToString().ToLowerInvariant()).Append('\n');
            foreach (var one in series)
            {
                Append(text, definition, one);
            }
        }

        return text.ToString();
    }

    internal static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private static void Append(StringBuilder text, MetricDefinition definition, Series series)
    {
        if (definition.Kind != MetricKind.Histogram)
        {
            Line(text, definition, "", series, null, Number(series.Value));
            return;
        }

        long count = 0;
        for (var i = 0; i < series.Counts.Length; i++)
        {
            // In the text each bucket holds those below it, too.
            count += series.Counts[i];
            var bound = i < definition.Buckets.Count ? definition.Buckets[i] : double.PositiveInfinity;
            Line(text, definition, "_bucket", series, Number(bound), count.ToString(CultureInfo.InvariantCulture));
        }

        Line(text, definition, "_sum", series, null, Number(series.Value));
        Line(text, definition, "_count", series, null, count.ToString(CultureInfo.InvariantCulture));
    }

    private static void Line(
        StringBuilder text, MetricDefinition definition, string suffix, Series series, string? bound, string value)
    {
        text.Append(definition.Name).Append(suffix);
        var separator = '{';
        for (var i = 0; i < series.Labels.Count; i++)
        {
            text.Append(separator)
                .Append(definition.Labels[i].Name)
                .Append("=\"")
                .Append(EscapeLabel(series.Labels[i]))
                .Append('"');
            separator = ',';
        }

        if (bound is not null)
        {
            text.Append(separator).Append("le=\"").Append(bound).Append('"');
            separator = ',';
        }

        text.Append(separator == ',' ? "} " : " ").Append(value).Append('\n');
    }

    private static string EscapeHelp(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static string EscapeLabel(string text) => EscapeHelp(text).Replace("\"", "\\\"", StringComparison.Ordinal);
}
