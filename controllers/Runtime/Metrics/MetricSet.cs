using System.Collections.Immutable;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>The metrics of one part, made once; values go to whoever listens, and nowhere when nobody does.</summary>
/// <param name="name">The meter's name.</param>
public sealed class MetricSet(string name)
{
    private readonly List<MetricDefinition> _definitions = [];

    /// <summary>All of them, in the order of their making.</summary>
    public IReadOnlyList<MetricDefinition> Definitions => _definitions;

    internal Meter Meter { get; } = new(name);

    /// <summary>Makes a counter.</summary>
    public CounterMetric Counter(string name, string help, params MetricLabel[] labels) =>
        new(Define(name, MetricKind.Counter, help, labels, []), Meter.CreateCounter<double>(name, null, help));

    /// <summary>Makes a gauge that is set.</summary>
    public GaugeMetric Gauge(string name, string help, params MetricLabel[] labels) =>
        new(Define(name, MetricKind.Gauge, help, labels, []), Meter.CreateGauge<double>(name, null, help));

    /// <summary>Makes a gauge that is moved up and down.</summary>
    public LevelMetric Level(string name, string help, params MetricLabel[] labels) =>
        new(Define(name, MetricKind.Gauge, help, labels, []), Meter.CreateUpDownCounter<double>(name, null, help));

    /// <summary>Makes a histogram.</summary>
    public HistogramMetric Histogram(
        string name, string help, IReadOnlyList<double> buckets, params MetricLabel[] labels) =>
        new(
            Define(name, MetricKind.Histogram, help, labels, buckets),
            Meter.CreateHistogram(
                name, null, help, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = buckets }));

    /// <summary>Makes a gauge that is looked up when somebody asks.</summary>
    public ObservedMetric ObservedGauge(string name, string help, params MetricLabel[] labels)
    {
        var metric = new ObservedMetric(Define(name, MetricKind.Gauge, help, labels, []));
        Meter.CreateObservableGauge(name, metric.Read, null, help);
        return metric;
    }

    /// <summary>Makes a counter that is looked up when somebody asks.</summary>
    public ObservedMetric ObservedCounter(string name, string help, params MetricLabel[] labels)
    {
        var metric = new ObservedMetric(Define(name, MetricKind.Counter, help, labels, []));
        Meter.CreateObservableCounter(name, metric.Read, null, help);
        return metric;
    }

    private MetricDefinition Define(
        string name, MetricKind kind, string help, MetricLabel[] labels, IReadOnlyList<double> buckets)
    {
        var definition = new MetricDefinition(name, kind, help, labels, buckets);
        _definitions.Add(definition);
        return definition;
    }
}

/// <summary>A metric that can be given values.</summary>
public abstract class Metric
{
    private protected Metric(MetricDefinition definition) => Definition = definition;

    /// <summary>What it is.</summary>
    public MetricDefinition Definition { get; }

    private protected TagList Tags(ReadOnlySpan<string> values)
    {
        if (values.Length != Definition.Labels.Count)
        {
            throw new ArgumentException(
                $"{Definition.Name} has {Definition.Labels.Count} labels, not {values.Length}", nameof(values));
        }

        var tags = default(TagList);
        for (var i = 0; i < values.Length; i++)
        {
            tags.Add(Definition.Labels[i].Name, Definition.Labels[i].Admit(values[i]));
        }

        return tags;
    }
}

/// <summary>Only grows.</summary>
public sealed class CounterMetric : Metric
{
    private readonly Counter<double> _instrument;

    internal CounterMetric(MetricDefinition definition, Counter<double> instrument)
        : base(definition) => _instrument = instrument;

    /// <summary>One more.</summary>
    public void Count(params ReadOnlySpan<string> labels) => _instrument.Add(1, Tags(labels));

    /// <summary>So many more.</summary>
    public void Add(double amount, params ReadOnlySpan<string> labels) => _instrument.Add(amount, Tags(labels));
}

/// <summary>Is set.</summary>
public sealed class GaugeMetric : Metric
{
    private readonly Gauge<double> _instrument;

    internal GaugeMetric(MetricDefinition definition, Gauge<double> instrument)
        : base(definition) => _instrument = instrument;

    /// <summary>It is so much now.</summary>
    public void Set(double value, params ReadOnlySpan<string> labels) => _instrument.Record(value, Tags(labels));
}

/// <summary>Is moved up and down.</summary>
public sealed class LevelMetric : Metric
{
    private readonly UpDownCounter<double> _instrument;

    internal LevelMetric(MetricDefinition definition, UpDownCounter<double> instrument)
        : base(definition) => _instrument = instrument;

    /// <summary>So much more, or less.</summary>
    public void Move(double difference, params ReadOnlySpan<string> labels) =>
        _instrument.Add(difference, Tags(labels));
}

/// <summary>Counts values by size.</summary>
public sealed class HistogramMetric : Metric
{
    private readonly Histogram<double> _instrument;

    internal HistogramMetric(MetricDefinition definition, Histogram<double> instrument)
        : base(definition) => _instrument = instrument;

    /// <summary>One value.</summary>
    public void Record(double value, params ReadOnlySpan<string> labels) => _instrument.Record(value, Tags(labels));
}

/// <summary>Is looked up when somebody asks, from sources that come and go.</summary>
public sealed class ObservedMetric : Metric
{
    private ImmutableList<Func<IEnumerable<Measurement<double>>>> _sources = [];

    internal ObservedMetric(MetricDefinition definition)
        : base(definition)
    {
    }

    /// <summary>One value, for a source to return.</summary>
    public Measurement<double> Value(double value, params ReadOnlySpan<string> labels) => new(value, Tags(labels));

    /// <summary>Asks a source, too, until the return value is disposed of.</summary>
    public IDisposable From(Func<IEnumerable<Measurement<double>>> source)
    {
        ImmutableInterlocked.Update(ref _sources, s => s.Add(source));
        return new Ending(() => ImmutableInterlocked.Update(ref _sources, s => s.Remove(source)));
    }

    /// <summary>Asks a source of one value without labels, too.</summary>
    public IDisposable From(Func<double> source) => From(() => [Value(source())]);

    internal IEnumerable<Measurement<double>> Read()
    {
        foreach (var source in _sources)
        {
            List<Measurement<double>> values;
            try
            {
                values = [.. source()];
            }
            catch (Exception)
            {
                // One that cannot be looked up is missing; the others are told.
                RuntimeMetrics.ObserveErrors.Count(Definition.Name);
                continue;
            }

            foreach (var value in values)
            {
                yield return value;
            }
        }
    }

    private sealed class Ending(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
