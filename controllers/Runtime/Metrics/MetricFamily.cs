namespace PodCheckpointing.Runtime.Metrics;

/// <summary>One value of a metric, or the buckets of one.</summary>
internal sealed class Series(IReadOnlyList<string> labels, int buckets)
{
    public IReadOnlyList<string> Labels { get; } = labels;

    /// <summary>The value; of a histogram, the sum.</summary>
    public double Value { get; set; }

    /// <summary>How many values fell into each bucket alone; the last one has no bound.</summary>
    public long[] Counts { get; } = buckets == 0 ? [] : new long[buckets + 1];
}

/// <summary>The values of one metric.</summary>
internal sealed class MetricFamily
{
    /// <summary>Nobody's labels may eat the memory of Prometheus, nor ours.</summary>
    internal const int MostSeries = 500;

    private readonly Dictionary<string, Series> _series = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    public MetricFamily(MetricDefinition definition)
    {
        Definition = definition;
        // What counts from nothing must be seen at nothing first: increase() sees no
        // step in a series that begins at one.
        if (definition.Labels.All(l => l.Values.Count > 0) && definition.Kind != MetricKind.Gauge)
        {
            IEnumerable<string[]> all = [[]];
            foreach (var label in definition.Labels)
            {
                all = all.SelectMany(_ => label.Values, (values, value) => (string[])[.. values, value]);
            }

            foreach (var values in all)
            {
                Find(values);
            }
        }
    }

    public MetricDefinition Definition { get; }

    /// <summary>Whether its values are looked up when somebody asks.</summary>
    public bool IsObserved { get; set; }

    /// <summary>The values, ordered by their labels.</summary>
    public IReadOnlyList<Series> Snapshot()
    {
        lock (_lock)
        {
            return [.. _series.OrderBy(s => s.Key, StringComparer.Ordinal).Select(s => s.Value).Select(s =>
            {
                var copy = new Series(s.Labels, Definition.Buckets.Count) { Value = s.Value };
                s.Counts.CopyTo(copy.Counts, 0);
                return copy;
            })];
        }
    }

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, bool adds)
    {
        var labels = new string[tags.Length];
        for (var i = 0; i < tags.Length; i++)
        {
            labels[i] = (string)tags[i].Value!;
        }

        lock (_lock)
        {
            if (Find(labels) is not { } series)
            {
                RuntimeMetrics.SeriesRefused.Count(Definition.Name);
                return;
            }

            if (Definition.Kind == MetricKind.Histogram)
            {
                series.Value += value;
                series.Counts[BucketOf(value)]++;
            }
            else if (adds)
            {
                series.Value += value;
            }
            else
            {
                series.Value = value;
            }
        }
    }

    /// <summary>What is looked up anew each time is forgotten before.</summary>
    public void ForgetObserved()
    {
        lock (_lock)
        {
            if (IsObserved)
            {
                _series.Clear();
            }
        }
    }

    private int BucketOf(double value)
    {
        var bucket = 0;
        // NaN is over every bound.
        while (bucket < Definition.Buckets.Count && !(value <= Definition.Buckets[bucket]))
        {
            bucket++;
        }

        return bucket;
    }

    private Series? Find(string[] labels)
    {
        var key = string.Join('\0', labels);
        if (!_series.TryGetValue(key, out var series) && _series.Count < MostSeries)
        {
            series = new Series(labels, Definition.Buckets.Count);
            _series.Add(key, series);
        }

        return series;
    }
}
