namespace PodCheckpointing.Runtime.Metrics;

/// <summary>What Prometheus calls the type of a metric.</summary>
public enum MetricKind
{
    /// <summary>Only grows.</summary>
    Counter,

    /// <summary>Goes up and down.</summary>
    Gauge,

    /// <summary>Counts values by size.</summary>
    Histogram,
}

/// <summary>A label.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Values">All of its values; empty when they are not known beforehand.</param>
public sealed record MetricLabel(string Name, params IReadOnlyList<string> Values)
{
    /// <summary>What stands for a value that is none of the known ones.</summary>
    public const string Other = "Other";

    /// <summary>A label whose values are not known beforehand.</summary>
    public static implicit operator MetricLabel(string name) => new(name, []);

    /// <summary>The value to count under: a label with known values never has another one.</summary>
    public string Admit(string value) => Values.Count == 0 || Values.Contains(value) ? value : Other;
}

/// <summary>One metric, before it has a value.</summary>
/// <param name="Name">Its name, the same here, in /metrics and in queries.</param>
/// <param name="Kind">Its type.</param>
/// <param name="Help">What it means, as a sentence without a period.</param>
/// <param name="Labels">Its labels, in their order.</param>
/// <param name="Buckets">Upper bounds of a histogram's buckets, rising and without infinity.</param>
public sealed record MetricDefinition(
    string Name, MetricKind Kind, string Help, IReadOnlyList<MetricLabel> Labels, IReadOnlyList<double> Buckets);

/// <summary>Upper bounds that serve more than one histogram.</summary>
public static class Buckets
{
    /// <summary>From 1 ms to 10 min: what a person waits for.</summary>
    public static IReadOnlyList<double> Seconds { get; } =
        [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

    /// <summary>From 100 µs to 1 min: what a processor works at.</summary>
    public static IReadOnlyList<double> WorkSeconds { get; } =
        [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 60];

    /// <summary>From 250 µs to 10 s, close together about 20 ms.</summary>
    public static IReadOnlyList<double> ReactionSeconds { get; } =
        [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    /// <summary>From 64 KiB to 64 GiB by fours.</summary>
    public static IReadOnlyList<double> Bytes { get; } = [.. Enumerable.Range(0, 11).Select(n => Math.Pow(4, 8 + n))];
}
