using System.Globalization;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Unit.Metrics;

/// <summary>What an exporter tells, by line.</summary>
internal static class Scrape
{
    /// <summary>The value behind a name with its labels; null when there is none.</summary>
    public static double? Of(this MetricsExporter exporter, string series) =>
        exporter.Write().Split('\n').Where(l => l.StartsWith(series + " ", StringComparison.Ordinal))
            .Select(l => (double?)double.Parse(l[(series.Length + 1)..], CultureInfo.InvariantCulture))
            .SingleOrDefault();
}
