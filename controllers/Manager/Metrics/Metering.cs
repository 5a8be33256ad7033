using System.Diagnostics.Metrics;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Manager.Metrics;

/// <summary>Puts the operator's metrics together.</summary>
internal static class Metering
{
    public const string LeaseName = "pod-checkpointing-operator";

    /// <summary>Everything that the operator tells.</summary>
    public static readonly MetricSet[] Sets =
        [OperatorMetrics.Set, RuntimeMetrics.Set, CertificateMetrics.Set, ProcessMetrics.Set, RuntimeMetrics.ScrapeSet];

    public static string Version => typeof(Metering).Assembly.GetName().Version!.ToString(3);

    /// <summary>Counts from now on: before any informer, queue or controller is made.</summary>
    public static void AddMetering(this IServiceCollection services)
    {
        services.AddSingleton(new MetricsExporter(Sets));
        services.AddSingleton<EndedObjects>();
        services.AddSingleton<MigrationTraces>();
        services.AddTracing("pod-checkpointing-operator", Version);
    }

    /// <summary>Watches what ends, and serves /metrics.</summary>
    public static void UseMetering(this WebApplication app)
    {
        var ended = app.Services.GetRequiredService<EndedObjects>();
        var migrations = app.Services.GetRequiredService<Informer<PodMigration>>();
        var checkpoints = app.Services.GetRequiredService<Informer<PodCheckpoint>>();
        migrations.AddEventHandler(ended.Observe);
        checkpoints.AddEventHandler(ended.Observe);
        var traces = app.Services.GetRequiredService<MigrationTraces>();
        migrations.AddEventHandler(traces.Observe);
        checkpoints.AddEventHandler(traces.Observe);
        OperatorMetrics.MigrationObjects.From(() => !ended.Leads
            ? []
            : OperatorMetrics.MigrationObjects.Definition.Labels[0].Values.Select(
                phase => OperatorMetrics.MigrationObjects.Value(
                migrations.All.Count(m => (m.Status?.Phase ?? OperatorMetrics.None) == phase), phase)));
        OperatorMetrics.OldestMigration.From(() =>
            ended.Leads ? [OperatorMetrics.OldestMigration.Value(ended.OldestAge(migrations.All))] : []);
        OperatorMetrics.MigrationsStalled.From(() => !ended.Leads
            ? []
            : migrations.All
                .Where(m => m.Status is { CompletionTime: null } && m.Status.Conditions.IsTrue(ConditionTypes.Stalled))
                .GroupBy(m => OperatorMetrics.ReasonWord(m.Status!.Conditions.Find(ConditionTypes.Stalled)!.Reason))
                .Select(g => OperatorMetrics.MigrationsStalled.Value(g.Count(), g.Key)));
        var nodes = app.Services.GetRequiredService<Informer<CheckpointNode>>();
        OperatorMetrics.Nodes.From(() => ended.Leads
            ? ByReadiness(OperatorMetrics.Nodes, nodes.All.Select(n => n.Status?.Conditions))
            : []);
        var contents = app.Services.GetRequiredService<Informer<PodCheckpointContent>>();
        OperatorMetrics.CheckpointContents.From(() => ended.Leads
            ? ByReadiness(OperatorMetrics.CheckpointContents, contents.All.Select(c => c.Status?.Conditions))
            : []);
        OperatorMetrics.Build.From(() =>
            [OperatorMetrics.Build.Value(1, "operator", Version)]);
        var options = app.Services.GetRequiredService<IOptions<OperatorOptions>>().Value;
        CertificateMetrics.Observe("operator", options.TlsCertificate, options.TlsCa);
        RuntimeMetrics.ObserveLeadership(app.Services.GetRequiredService<ILeadership>(), LeaseName);
        app.MapMetrics(app.Services.GetRequiredService<MetricsExporter>());
    }

    /// <summary>How many objects there are by their condition Ready and its reason; those without one are not
    /// counted.</summary>
    internal static IEnumerable<Measurement<double>> ByReadiness(
        ObservedMetric metric, IEnumerable<IList<V1Condition>?> objects) =>
        objects.Select(conditions => conditions.Find(ConditionTypes.Ready)).OfType<V1Condition>()
            .GroupBy(ready => (ready.Status, Reason: OperatorMetrics.ReasonWord(ready.Reason)))
            .Select(g => metric.Value(g.Count(), g.Key.Status, g.Key.Reason));
}
