using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Unit.Metrics;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class ExpositionTests
{
    private readonly MetricSet _set = new("test");

    [Test]
    public void A_counter_adds_up_and_escapes_its_labels()
    {
        var counter = _set.Counter("seen_total", "What was\nseen: a \\ or a \"", "what", "where");
        using var exporter = new MetricsExporter(_set);

        counter.Count("a \"b\" \\ c\nd", "here");
        counter.Add(2.5, "a \"b\" \\ c\nd", "here");
        counter.Count("ä", "there");

        exporter.Write().Should().Be(
            """
            # HELP seen_total What was\nseen: a \\ or a "
            # TYPE seen_total counter
            seen_total{what="a \"b\" \\ c\nd",where="here"} 3.5
            seen_total{what="ä",where="there"} 1

            """);
    }

    [Test]
    public void A_histogram_s_buckets_hold_those_below_them()
    {
        var histogram = _set.Histogram("wait_seconds", "How long", [0.5, 1, 2.5], "who");
        using var exporter = new MetricsExporter(_set);

        foreach (var value in new[] { 0.5, 0.6, 2, 7 })
        {
            histogram.Record(value, "me");
        }

        exporter.Write().Should().Be(
            """
            # HELP wait_seconds How long
            # TYPE wait_seconds histogram
            wait_seconds_bucket{who="me",le="0.5"} 1
            wait_seconds_bucket{who="me",le="1"} 2
            wait_seconds_bucket{who="me",le="2.5"} 3
            wait_seconds_bucket{who="me",le="+Inf"} 4
            wait_seconds_sum{who="me"} 10.1
            wait_seconds_count{who="me"} 4

            """);
    }

    [Test]
    public void Families_and_series_stand_in_order_whatever_came_first()
    {
        var later = _set.Gauge("z_value", "Z", "n");
        var earlier = _set.Level("a_value", "A");
        using var exporter = new MetricsExporter(_set);

        later.Set(1, "b");
        later.Set(7, "a");
        later.Set(2, "a");
        earlier.Move(3);
        earlier.Move(-4);

        exporter.Write().Split('\n').Where(l => l.Length > 0 && l[0] != '#').Should()
            .Equal("a_value -1", "z_value{n=\"a\"} 2", "z_value{n=\"b\"} 1");
    }

    [Test]
    public void What_can_be_counted_is_seen_at_nothing_first()
    {
        _set.Counter(
            "done_total", "Done", new MetricLabel("result", "success", "failure"), new MetricLabel("kind", "a", "b"));
        _set.Histogram("size_bytes", "Size", [1]);
        _set.Counter("other_total", "Other", "open");
        using var exporter = new MetricsExporter(_set);

        exporter.Write().Split('\n').Where(l => l.Length > 0 && l[0] != '#').Should().Equal(
            "done_total{result=\"failure\",kind=\"a\"} 0",
            "done_total{result=\"failure\",kind=\"b\"} 0",
            "done_total{result=\"success\",kind=\"a\"} 0",
            "done_total{result=\"success\",kind=\"b\"} 0",
            "size_bytes_bucket{le=\"1\"} 0",
            "size_bytes_bucket{le=\"+Inf\"} 0",
            "size_bytes_sum 0",
            "size_bytes_count 0");
    }

    [Test]
    public void A_label_with_known_values_takes_no_other()
    {
        var counter = _set.Counter("done_total", "Done", new MetricLabel("result", "success", "failure"));
        using var exporter = new MetricsExporter(_set);

        counter.Count("whatever");

        exporter.Of("done_total{result=\"Other\"}").Should().Be(1);
    }

    [Test]
    public void A_metric_takes_as_many_labels_as_it_has()
    {
        var counter = _set.Counter("done_total", "Done", "result");

        counter.Invoking(c => c.Count()).Should().Throw<ArgumentException>();
        counter.Invoking(c => c.Count("a", "b")).Should().Throw<ArgumentException>();
    }

    [Test]
    public void Too_many_series_are_refused_and_the_refusals_counted()
    {
        var counter = _set.Counter("pods_total", "Pods", "pod");
        using var exporter = new MetricsExporter(_set, RuntimeMetrics.ScrapeSet);

        for (var i = 0; i < MetricFamily.MostSeries + 3; i++)
        {
            counter.Count($"pod-{i}");
        }

        counter.Count("pod-0");
        exporter.Write().Split('\n').Count(l => l.StartsWith("pods_total{")).Should().Be(MetricFamily.MostSeries);
        exporter.Of("pods_total{pod=\"pod-0\"}").Should().Be(2);
        exporter.Of("metrics_series_refused_total{metric=\"pods_total\"}").Should().Be(3);
    }

    [Test]
    public void What_is_looked_up_is_what_it_is_now_and_goes_with_its_source()
    {
        var gauge = _set.ObservedGauge("waiting", "Waiting", "queue");
        using var exporter = new MetricsExporter(_set);
        var waiting = 3;
        using (gauge.From(() => [gauge.Value(waiting, "q")]))
        {
            exporter.Of("waiting{queue=\"q\"}").Should().Be(3);
            waiting = 1;
            exporter.Of("waiting{queue=\"q\"}").Should().Be(1);
        }

        exporter.Of("waiting{queue=\"q\"}").Should().BeNull();
    }

    [Test]
    public void What_cannot_be_looked_up_is_missing_and_the_rest_is_told()
    {
        var gauge = _set.ObservedGauge("free_bytes", "Free", "disk");
        using var exporter = new MetricsExporter(_set, RuntimeMetrics.ScrapeSet);
        gauge.From(double () => throw new IOException("gone"));
        gauge.From(() => [gauge.Value(5, "here")]);

        exporter.Of("free_bytes{disk=\"here\"}").Should().Be(5);
        exporter.Of("metrics_lookup_errors_total{metric=\"free_bytes\"}").Should().BeGreaterThan(0);
    }

    [Test]
    public void Many_threads_lose_nothing()
    {
        var counter = _set.Counter("seen_total", "Seen", "what");
        using var exporter = new MetricsExporter(_set);

        Parallel.For(0, 8, thread =>
        {
            for (var i = 0; i < 5000; i++)
            {
                counter.Count(i % 2 == 0 ? "even" : "odd");
                if (i % 1000 == thread)
                {
                    exporter.Write();
                }
            }
        });

        exporter.Of("seen_total{what=\"even\"}").Should().Be(20_000);
        exporter.Of("seen_total{what=\"odd\"}").Should().Be(20_000);
    }

    [TestCase(double.PositiveInfinity, "+Inf")]
    [TestCase(double.NegativeInfinity, "-Inf")]
    [TestCase(double.NaN, "NaN")]
    [TestCase(0.1, "0.1")]
    [TestCase(1e21, "1E+21")]
    [TestCase(1763711542.25, "1763711542.25")]
    public void Numbers_are_written_as_Prometheus_reads_them(double value, string text) =>
        TextExposition.Number(value).Should().Be(text);
}
