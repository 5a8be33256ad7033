using System.Diagnostics.Metrics;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>Listens to metric sets and tells their values as text.</summary>
/// <remarks>Values are counted from its making on: it is made before what it is to hear.</remarks>
public sealed class MetricsExporter : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly SortedDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>An exporter of some sets.</summary>
    public MetricsExporter(params IEnumerable<MetricSet> sets)
    {
        var meters = new HashSet<Meter>();
        foreach (var set in sets)
        {
            meters.Add(set.Meter);
            foreach (var definition in set.Definitions)
            {
                _families.Add(definition.Name, new MetricFamily(definition));
            }
        }

        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (meters.Contains(instrument.Meter))
            {
                var family = _families[instrument.Name];
                family.IsObserved = instrument.IsObservable;
                listener.EnableMeasurementEvents(instrument, family);
            }
        };
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, family) =>
            ((MetricFamily)family!).Record(value, tags, adds: instrument is Counter<double> or UpDownCounter<double>));
        _listener.Start();
    }

    /// <summary>All values as they are now, in the text format of Prometheus.</summary>
    public string Write()
    {
        // Two scrapes at a time would see each other's half of what is looked up.
        lock (_lock)
        {
            foreach (var family in _families.Values)
            {
                family.ForgetObserved();
            }

            _listener.RecordObservableInstruments();
            return TextExposition.Write(_families.Values);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();
}
