using System.Diagnostics;
using System.Globalization;
using FluentAssertions;
using k8s;
using k8s.Models;
using NUnit.Framework;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Component.Scale;

/// <summary>Many migrations at once: the operator as it is shipped, a real API server, agents that
/// take time and do nothing.</summary>
/// <remarks>SCALE=1000 makes it large (make scale); the same with few keeps it true.</remarks>
internal sealed class ScaleTests
{
    /// <summary>Phases in which the operator does something.</summary>
    private const int Phases = 6;

    private const string Reaction = "operator_event_to_effect_seconds";

    private static readonly string? Asked = Environment.GetEnvironmentVariable("SCALE");
    private static readonly int Count = int.Parse(Asked ?? "24", CultureInfo.InvariantCulture);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(Count > 100 ? 60 : 4);
    private static readonly (int Cluster, int Outbound, int Inbound) Limits = Count > 100 ? (40, 4, 4) : (6, 2, 2);

    private static (string, string)[] Settings =>
    [
        ("LeaderElection", "false"), ("Migrations__ParallelPerCluster", $"{Limits.Cluster}"),
        ("Migrations__ParallelOutboundPerNode", $"{Limits.Outbound}"),
        ("Migrations__ParallelInboundPerNode", $"{Limits.Inbound}"),
    ];

    [Test]
    public async Task Many_at_once_stay_within_the_limits_and_all_arrive()
    {
        await using var cluster = await ScaleCluster.StartAsync(Count > 100 ? 20 : 6, Count);
        var process = await cluster.StartOperatorAsync("operator", Settings);
        var watch = Stopwatch.StartNew();
        try
        {
            await cluster.MigrateAsync(Enumerable.Range(0, Count));
            await StopWaitingAsync(cluster);
            await cluster.Migrations.UntilAsync(() => cluster.Migrations.Ended >= Count - 1, Patience);
        }
        catch (TimeoutException)
        {
            var left = cluster.Migrations.Seen.Values.Where(m => m.Status?.CompletionTime is null).Take(3)
                .Select(m => $"{m.Metadata.Name} {m.Status?.Phase}: {m.Status?.Message}");
            Assert.Fail($"{cluster.Migrations.Ended} of {Count} ended\n{string.Join('\n', left)}\n{cluster.Logs()}");
        }

        var took = watch.Elapsed;
        var peak = cluster.Migrations.Peak;
        var figures = await process.ScrapeAsync();
        var report = Report(process, figures, peak.Cluster, took);
        TestContext.Progress.WriteLine(report);
        if (Environment.GetEnvironmentVariable("SCALE_REPORT") is { Length: > 0 } file)
        {
            await File.WriteAllTextAsync(file, report);
        }

        peak.Cluster.Should().BeInRange(Limits.Cluster / 3, Limits.Cluster, "the limit is kept, and made use of");
        peak.Outbound.Should().BeInRange(1, Limits.Outbound);
        peak.Inbound.Should().BeInRange(1, Limits.Inbound);
        cluster.Nodes.Should().OnlyContain(n => n.Fences.IsEmpty);
        var ended = cluster.Migrations.Seen.Values.ToList();
        ended.Count(m => m.Status?.Outcome == Outcomes.Restored)
            .Should().Be(Count - 2, "one was deleted and one aborted while they waited");
        cluster.Migrations.Waited.Count.Should().BeGreaterThan(Count / 4);
        // On a slow machine a step outlasts the time in which its writes are made one with the next step's.
        var slack = Asked is null ? 2 : 1;
        Writes(figures).Should().BeLessThan(
            slack * 5 * Phases * Count, "five writes, of whatever object, for each phase of each migration");
        Reconciles(figures).Should().BeLessThan(slack * 100 * Count, "no run without a reason");
        if (Asked is not null)
        {
            // Whoever asks for it has a quiet machine; beside other tests these measure those.
            process.PeakMegabytes().Should().BeLessThan(150);
            figures.Quantile(0.5, Reaction, "").Should().BeLessThan(0.02);
            figures.Quantile(0.99, Reaction, "").Should().BeLessThan(0.02);
        }
    }

    /// <summary>Of two that wait, one is deleted and one is aborted; neither waits for anything.</summary>
    private static async Task StopWaitingAsync(ScaleCluster cluster)
    {
        // The two youngest of those that wait have the longest to wait still.
        var migrations = cluster.Migrations;
        string[] waiting = [];
        await migrations.UntilAsync(
            () => (waiting =
            [
                .. migrations.Waited.Except(migrations.Began).OrderDescending(StringComparer.Ordinal),
            ]).Length > Count / 4, Patience);
        var (deleted, aborted) = (waiting[0], waiting[1]);
        await cluster.Client.DeleteAsync<PodMigration>(
            ScaleCluster.Namespace, deleted, new V1DeleteOptions(), CancellationToken.None);
        await cluster.Client.PatchAsync<PodMigration>(
            ScaleCluster.Namespace, aborted, null, PatchType.Merge, """{"spec":{"abort":true}}""", "test",
            CancellationToken.None);
        await migrations.UntilAsync(
            () => !migrations.Seen.ContainsKey(deleted) && migrations.Seen[aborted].Status?.CompletionTime is not null,
            Patience);

        migrations.Began.Should().NotContain([deleted, aborted]);
        var status = migrations.Seen[aborted].Status!;
        status.Conditions.Find(ConditionTypes.Ready)!.Reason.Should().Be(Reasons.Aborted);
        status.Conditions.Find(ConditionTypes.Validated).Should().BeNull("it waits no more");
        status.Outcome.Should().BeNull("the pod was never touched");
    }

    private static string Report(OperatorProcess process, OperatorProcess.Figures figures, int peak, TimeSpan took)
    {
        string Of(string kind) => string.Create(
            CultureInfo.InvariantCulture,
            $"{kind}: p50 {1000 * figures.Quantile(0.5, Reaction, kind):0.0} ms, p99 {1000 * figures.Quantile(0.99, Reaction, kind):0.0} ms of {figures.Sum(Reaction + "_count", kind)}");
        return string.Create(CultureInfo.InvariantCulture, $"""
            {Count} migrations, at most {Limits.Cluster} in the cluster, {Limits.Outbound} away from a node and {Limits.Inbound} to one, took {took.TotalSeconds:0} s and {figures.Sum("process_cpu_seconds_total"):0.0} s of processor time
            writes per migration: {string.Join(", ", Resources.Select(r => $"{r} {Writes(figures, $"resource=\"{r}\"") / Count:0.0}"))}; besides events {figures.Sum("rest_client_requests_total", "resource=\"events\"") / Count:0.0}
            reconciles: {string.Join(", ", Kinds.Select(k => $"{k} {figures.Sum("controller_runtime_reconcile_total", k):0}"))}; conflicts {figures.Sum("controller_runtime_reconcile_total", "conflict"):0}, errors {figures.Sum("controller_runtime_reconcile_errors_total"):0}
            event to effect: {string.Join("; ", Kinds.Take(5).Select(Of))}
            scale: {Count} migrations, peak {peak} parallel, {process.PeakMegabytes():0} MB resident, {Writes(figures) / Count:0.0} writes per migration ({Writes(figures) / Count / Phases:0.0} per phase), {Reconciles(figures) / Count:0.0} reconciles per migration, event-to-effect p50={1000 * figures.Quantile(0.5, Reaction, ""):0.0} p99={1000 * figures.Quantile(0.99, Reaction, ""):0.0}

            """);
    }

    private static readonly string[] Verbs =
    [
        "verb=\"create\"",
        "verb=\"update\"",
        "verb=\"patch\"",
        "verb=\"delete\"",
    ];

    private static readonly string[] Resources =
    [
        "podmigrations",
        "podcheckpoints",
        "containercheckpoints",
        "podcheckpointcontents",
        "containercheckpointcontents",
        "pods",
    ];

    private static readonly string[] Kinds =
    [
        "\"PodMigration\"",
        "\"PodCheckpoint\"",
        "\"ContainerCheckpoint\"",
        "\"PodCheckpointContent\"",
        "\"ContainerCheckpointContent\"",
        "\"Pod\"",
    ];

    /// <summary>Writes about migrations, or about one resource: events are told besides, and leases
    /// have nothing to do with them.</summary>
    private static double Writes(OperatorProcess.Figures figures, string? resource = null) =>
        (resource is null ? Resources.Select(r => $"resource=\"{r}\"") : [resource])
            .Sum(r => figures.SumAll("rest_client_requests_total", r, Verbs));

    private static double Reconciles(OperatorProcess.Figures figures) =>
        figures.Sum("controller_runtime_reconcile_total");
}
