using System.Text.Json;
using System.Text.RegularExpressions;
using FluentAssertions;
using NUnit.Framework;
using PodCheckpointing.Generate;
using PodCheckpointing.Runtime.Metrics;
using YamlDotNet.RepresentationModel;
using AgentMetering = PodCheckpointing.Agent.Metrics.Metering;
using OperatorMetering = PodCheckpointing.Manager.Metrics.Metering;

namespace PodCheckpointing.Unit.Metrics;

/// <summary>What is told, what is documented and what the dashboard and the alerts ask for are the same.</summary>
public sealed partial class CatalogueTests
{
    private const string Begin = "<!-- metrics: begin, UPDATE_METRICS=1 makes the test write it -->";
    private const string End = "<!-- metrics: end -->";
    private static readonly string[] FromPrometheus = ["up"];
    private static readonly string[] TargetLabels = ["instance", "job", "le"];

    private static readonly Dictionary<string, MetricDefinition> All = AgentMetering.Sets.Concat(OperatorMetering.Sets)
        .SelectMany(s => s.Definitions).DistinctBy(d => d.Name).ToDictionary(d => d.Name);

    private static readonly IEnumerable<TestCaseData> Definitions =
        All.Values.Select(d => new TestCaseData(d).SetArgDisplayNames(d.Name));

    [TestCaseSource(nameof(Definitions))]
    public void A_metric_is_named_as_Prometheus_wants_it(MetricDefinition metric)
    {
        ArgumentNullException.ThrowIfNull(metric);
        metric.Name.Should().MatchRegex("^[a-z][a-z0-9_]*$");
        metric.Name.EndsWith("_total", StringComparison.Ordinal).Should().Be(metric.Kind == MetricKind.Counter);
        metric.Name.Should().NotMatchRegex("_(milliseconds|ms|kb|mb|count|sum|bucket)$");
        metric.Help.Should().MatchRegex("^[A-Z1].*[^.]$");
        metric.Labels.Select(l => l.Name).Should().OnlyHaveUniqueItems();
        metric.Labels.All(l => LabelName().IsMatch(l.Name)).Should().BeTrue();
        metric.Buckets.Should().BeInAscendingOrder();
        (metric.Buckets.Count > 0).Should().Be(metric.Kind == MetricKind.Histogram);
    }

    [TestCaseSource(nameof(Definitions))]
    public void No_label_tells_which_object_it_was(MetricDefinition metric)
    {
        ArgumentNullException.ThrowIfNull(metric);
        metric.Labels.Select(l => l.Name)
            .Should().NotContain(["pod", "namespace", "container", "uid", "node", "migration"]);
    }

    [Test]
    public void The_README_lists_every_metric()
    {
        var path = Path.Combine(Folder(), "README.md");
        var text = File.ReadAllText(path);
        var expected = $"{Begin}\n{Tables()}{End}";
        var documented =
            text[text.IndexOf(Begin, StringComparison.Ordinal)..(text.IndexOf(End, StringComparison.Ordinal)
                + End.Length)];
        if (Environment.GetEnvironmentVariable("UPDATE_METRICS") == "1")
        {
            File.WriteAllText(path, text.Replace(documented, expected, StringComparison.Ordinal));
            return;
        }

        documented.Should().Be(expected);
    }

    [TestCaseSource(nameof(Queries))]
    public void A_query_asks_for_metrics_labels_and_values_that_there_are(string where, string expression)
    {
        var asked = AskedFor(expression).ToList();
        asked.Should().NotBeEmpty($"{where} asks for something");
        foreach (var (name, matchers) in asked.Where(a => !FromPrometheus.Contains(a.Name)))
        {
            var metric = Find(name);
            metric.Should().NotBeNull($"{where} asks for {name}");
            foreach (Match matcher in Matcher().Matches(matchers))
            {
                var (label, value) = (matcher.Groups["label"].Value, matcher.Groups["value"].Value);
                var known = metric!.Labels.SingleOrDefault(l => l.Name == label);
                TargetLabels.Contains(label).Should().Be(known is null, $"{where} asks for {name}'s {label}");
                if (known is { Values.Count: > 0 })
                {
                    known.Values.Should().Contain(value.Split('|'), $"{where} asks for values of {label}");
                }
            }
        }

        // What a sum is kept apart by, one of the metrics has.
        var labels = asked.SelectMany(a => Find(a.Name)?.Labels.Select(l => l.Name) ?? []).Concat(TargetLabels);
        Grouping().Matches(expression)
            .SelectMany(g => g.Groups["labels"].Value.Split(',', StringSplitOptions.TrimEntries))
            .Should().BeSubsetOf(labels, where);
    }

    [Test]
    public void Every_metric_that_is_about_pods_is_on_the_dashboard_or_in_an_alert()
    {
        var asked = Queries()
            .SelectMany(q => AskedFor((string)q.Arguments[1]!))
            .Select(a => Find(a.Name)?.Name)
            .ToHashSet();

        All.Keys
            .Where(n => n.StartsWith("pod", StringComparison.Ordinal) || n.StartsWith('c'))
            .Except(["controller_runtime_reconcile_time_seconds"])
            .Should().BeSubsetOf(asked);
    }

    [Test]
    public void An_alert_says_how_bad_it_is_and_what_to_do()
    {
        foreach (var rule in Rules())
        {
            var (name, labels, notes) =
                (Text(rule, "alert"), (YamlMappingNode)rule["labels"], (YamlMappingNode)rule["annotations"]);
            Text(labels, "severity").Should().BeOneOf(["warning", "critical"], name);
            Text(notes, "summary").Length.Should().BeInRange(10, 100, name);
            Text(notes, "description").Should().EndWith(".", name);
            Text(notes, "runbook_url").Should().Be($"config/observability/runbook.md#{name.ToLowerInvariant()}");
        }

        Rules().Select(r => Text(r, "alert")).Should().OnlyHaveUniqueItems();
    }

    [Test]
    public void The_runbook_has_a_section_for_each_alert_and_no_other()
    {
        var sections = File.ReadAllText(Path.Combine(Folder(), "runbook.md")).Split("\n## ")[1..];

        sections.Select(s => s.Split('\n')[0]).Should().Equal(Rules().Select(r => Text(r, "alert")));
        sections.Should().OnlyContain(
            s => s.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length > 1, "each says something");
    }

    [Test]
    public void The_dashboard_s_panels_do_not_lie_over_each_other()
    {
        var taken = new HashSet<(int X, int Y)>();
        foreach (var panel in Panels())
        {
            var place = panel.GetProperty("gridPos");
            int Of(string name) => place.GetProperty(name).GetInt32();
            (Of("x") + Of("w")).Should().BeLessThanOrEqualTo(24);
            foreach (var x in Enumerable.Range(Of("x"), Of("w")))
            {
                foreach (var y in Enumerable.Range(Of("y"), Of("h")))
                {
                    taken.Add((x, y)).Should().BeTrue($"{panel.GetProperty("title")} at {x}, {y}");
                }
            }
        }

        Panels().Select(p => p.GetProperty("id").GetInt32()).Should().OnlyHaveUniqueItems();
    }

    internal static IEnumerable<TestCaseData> Queries()
    {
        foreach (var rule in Rules())
        {
            yield return new TestCaseData(Text(rule, "alert"), Text(rule, "expr")).SetArgDisplayNames(Text(
                rule, "alert"));
        }

        foreach (var panel in Panels().Where(p => p.TryGetProperty("targets", out _)))
        {
            foreach (var target in panel.GetProperty("targets").EnumerateArray())
            {
                var title = $"{panel.GetProperty("title").GetString()} {target.GetProperty("refId").GetString()}";
                yield return new TestCaseData(title, target.GetProperty("expr").GetString()).SetArgDisplayNames(title);
            }
        }
    }

    private static IEnumerable<(string Name, string Matchers)> AskedFor(string expression)
    {
        // Groupings and ranges hold words that are no metrics; what stands before a parenthesis is a function.
        var bare = Range().Replace(Grouping().Replace(expression, " "), " ");
        return Selector().Matches(bare).Select(m => (m.Groups["name"].Value, m.Groups["matchers"].Value))
            .Where(m => !Operators.Contains(m.Item1));
    }

    private static readonly string[] Operators = ["and", "or", "unless", "bool", "offset"];

    private static MetricDefinition? Find(string name) =>
        All.GetValueOrDefault(name)
        ?? (All.GetValueOrDefault(Part().Replace(name, "")) is { Kind: MetricKind.Histogram } histogram
            ? histogram
            : null);

    private static string Tables()
    {
        var text = "";
        foreach (var (title, sets) in new (string, IEnumerable<MetricSet>)[]
        {
            ("Operator", OperatorMetering.Sets.Except(AgentMetering.Sets)),
            ("Agent", AgentMetering.Sets.Except(OperatorMetering.Sets)),
            ("Both", AgentMetering.Sets.Intersect(OperatorMetering.Sets)),
        })
        {
            text += $"\n### {title}\n\n| name | type | labels | meaning |\n|---|---|---|---|\n";
            foreach (var metric in sets.SelectMany(s => s.Definitions))
            {
                var labels = metric.Labels.Select(
                    l => l.Values.Count is 0 or > 8 ? $"`{l.Name}`" : $"`{l.Name}`: {string.Join(", ", l.Values)}");
                text +=
                    $"| `{metric.Name}` | {metric.Kind.ToString().ToLowerInvariant()} | {string.Join("; ", labels)} "
                        + $"| {metric.Help} |\n";
            }
        }

        return text + "\n";
    }

    private static string Folder() =>
        Path.Combine(Repository.Root(AppContext.BaseDirectory), "config", "observability");

    private static List<YamlMappingNode> Rules()
    {
        var yaml = new YamlStream();
        using var reader = new StreamReader(Path.Combine(Folder(), "alerts.yaml"));
        yaml.Load(reader);
        return [.. ((YamlSequenceNode)yaml.Documents[0].RootNode["spec"]["groups"])
            .SelectMany(g => (YamlSequenceNode)g["rules"]).Cast<YamlMappingNode>()];
    }

    private static string Text(YamlMappingNode node, string key) => ((YamlScalarNode)node[key]).Value!;

    private static List<JsonElement> Panels() =>
        [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder(), "dashboard.json"))).RootElement
            .GetProperty("panels")
            .EnumerateArray()];

    [GeneratedRegex("^[a-z][a-z_]*$")]
    private static partial Regex LabelName();

    [GeneratedRegex("_(bucket|sum|count)$")]
    private static partial Regex Part();

    [GeneratedRegex(@"(?<name>\b[a-z_:][a-z0-9_:]*)\b(?!\s*\()(?:\{(?<matchers>[^}]*)\})?")]
    private static partial Regex Selector();

    [GeneratedRegex("(?<label>[a-z_]+)\\s*(?:=~|!~|!=|=)\\s*\"(?<value>[^\"]*)\"")]
    private static partial Regex Matcher();

    [GeneratedRegex(@"\b(?:by|without|on|ignoring)\s*\((?<labels>[^)]*)\)")]
    private static partial Regex Grouping();

    [GeneratedRegex(@"\[[^\]]*\]")]
    private static partial Regex Range();
}
