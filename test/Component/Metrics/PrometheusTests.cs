using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Component.Deploy;
using PodCheckpointing.Runtime.Metrics;
using YamlDotNet.RepresentationModel;
using AgentMetering = PodCheckpointing.Agent.Metrics.Metering;
using OperatorMetering = PodCheckpointing.Manager.Metrics.Metering;

namespace PodCheckpointing.Component.Metrics;

/// <summary>What Prometheus itself makes of what we write for it.</summary>
public sealed partial class PrometheusTests
{
    private static readonly string Folder = Path.Combine(Manifests.Root, "config", "observability");

    [Test]
    public async Task A_parser_reads_back_what_was_counted_however_odd_its_labels()
    {
        var set = new MetricSet("odd");
        var counter = set.Counter("odd_things_total", "Things \\ that\nare \"odd\"", "what", "where");
        var histogram = set.Histogram("odd_wait_seconds", "How long", [0.25, 10], "who");
        var gauge = set.Gauge("odd_level_bytes", "How much");
        using var exporter = new MetricsExporter(set);
        string[] odd = ["a\"b", "back\\slash", "back\\", "new\nline", "ä€😀", "", "{x=\"1\"}", "a,b", " blank ", "\\n"];
        foreach (var what in odd)
        {
            counter.Add(2, what, "here");
        }

        histogram.Record(0.3, "a\"b");
        histogram.Record(double.PositiveInfinity, "c");
        gauge.Set(1.7976931348623157e308);

        var families = (await PrometheusTools.ParseAsync(exporter.Write())).ToDictionary(f => f.Name);

        families.Keys.Should().BeEquivalentTo("odd_things", "odd_wait_seconds", "odd_level_bytes");
        families["odd_things"].Help.Should().Be("Things \\ that\nare \"odd\"");
        families["odd_things"].Type.Should().Be("counter");
        families["odd_things"].Samples.Select(s => s.Labels["what"]).Should().BeEquivalentTo(odd);
        families["odd_things"].Samples.Should().OnlyContain(s => s.Value == "2.0" && s.Labels["where"] == "here");
        families["odd_wait_seconds"].Type.Should().Be("histogram");
        families["odd_wait_seconds"].Samples.Where(s => s.Labels["who"] == "a\"b")
            .Select(s => (s.Name, s.Labels.GetValueOrDefault("le"), s.Value))
            .Should().Equal(
                ("odd_wait_seconds_bucket", "0.25", "0.0"),
                ("odd_wait_seconds_bucket", "10", "1.0"),
                ("odd_wait_seconds_bucket", "+Inf", "1.0"),
                ("odd_wait_seconds_sum", null, "0.3"),
                ("odd_wait_seconds_count", null, "1.0"));
        families["odd_wait_seconds"].Samples.Single(s => s.Name.EndsWith("_sum") && s.Labels["who"] == "c").Value
            .Should().Be("inf");
        families["odd_level_bytes"].Samples.Single().Value.Should().Be("1.7976931348623157e+308");
    }

    [Test]
    public async Task Promtool_finds_no_fault_with_any_metric()
    {
        // Every metric with a value, made again from its definition.
        var all = OperatorMetering.Sets.Concat(AgentMetering.Sets)
            .SelectMany(s => s.Definitions)
            .DistinctBy(d => d.Name);
        var defined = new MetricSet("all");
        var recorders = new List<Action>();
        foreach (var metric in all)
        {
            var labels = metric.Labels.ToArray();
            var values = labels.Select(l => l.Values.Count > 0 ? l.Values[0] : "x").ToArray();
            switch (metric.Kind)
            {
                case MetricKind.Counter:
                    var counter = defined.Counter(metric.Name, metric.Help, labels);
                    recorders.Add(() => counter.Count(values));
                    break;
                case MetricKind.Gauge:
                    var gauge = defined.Gauge(metric.Name, metric.Help, labels);
                    recorders.Add(() => gauge.Set(1, values));
                    break;
                default:
                    var histogram = defined.Histogram(metric.Name, metric.Help, metric.Buckets, labels);
                    recorders.Add(() => histogram.Record(1, values));
                    break;
            }
        }

        using var exporter = new MetricsExporter(defined);
        recorders.ForEach(r => r());
        var text = exporter.Write();

        text.Split('\n').Count(l => l.StartsWith("# TYPE")).Should().Be(defined.Definitions.Count);
        var (code, said) = await PrometheusTools.PromtoolAsync(["check", "metrics"], text);
        said.Should().BeEmpty();
        code.Should().Be(0);
    }

    [Test]
    public async Task Promtool_finds_a_fault_where_there_is_one()
    {
        var (code, said) =
            await PrometheusTools.PromtoolAsync(["check", "metrics"], "# TYPE things counter\nthings 1\n");

        code.Should().NotBe(0);
        said.Should().Contain("_total");
    }

    [Test]
    public async Task The_alert_rules_are_rules_and_their_histories_raise_what_they_should()
    {
        var work = Directory.CreateTempSubdirectory("pod-checkpointing-rules").FullName;
        try
        {
            var yaml = new YamlStream();
            using (var reader = new StreamReader(Path.Combine(Folder, "alerts.yaml")))
            {
                yaml.Load(reader);
            }

            await using (var writer = new StreamWriter(Path.Combine(work, "rules.yaml")))
            {
                new YamlStream(new YamlDocument(yaml.Documents[0].RootNode["spec"])).Save(writer, assignAnchors: false);
            }

            File.Copy(Path.Combine(Folder, "alerts.test.yaml"), Path.Combine(work, "alerts.test.yaml"));
            var (code, said) =
                await PrometheusTools.PromtoolAsync(["check", "rules", Path.Combine(work, "rules.yaml")], "");
            code.Should().Be(0, said);
            said.Should().Contain("SUCCESS: 23 rules found");

            var alerts = Alert()
                .Matches(await File.ReadAllTextAsync(Path.Combine(work, "rules.yaml")))
                .Select(m => m.Groups[1].Value);
            var raised = Raised()
                .Matches(await File.ReadAllTextAsync(Path.Combine(work, "alerts.test.yaml")))
                .Select(m => m.Groups[1].Value);
            raised.Distinct().Should().BeEquivalentTo(alerts, "each has a history that raises it");

            (code, said) =
                await PrometheusTools.PromtoolAsync(["test", "rules", Path.Combine(work, "alerts.test.yaml")], "");
            code.Should().Be(0, said);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    [GeneratedRegex(@"alert: (\w+)")]
    private static partial Regex Alert();

    [GeneratedRegex(@"alertname: (\w+)\n +exp_alerts:")]
    private static partial Regex Raised();
}
