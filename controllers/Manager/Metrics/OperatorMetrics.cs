using System.Diagnostics;
using System.Reflection;
using Grpc.Core;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.PodMigrations;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Manager.Metrics;

/// <summary>What the operator counts. Where KEP-5823 names a metric of kubelet's, ours has
/// that name without "kubelet_".</summary>
internal static class OperatorMetrics
{
    /// <summary>What stands for a reason or an outcome that there is not.</summary>
    public const string None = "None";

    public static readonly MetricSet Set = new("PodCheckpointing.Operator");

    private static readonly MetricLabel Result = new("result", "success", "failure");

    /// <summary>A migration that is refused has touched nothing; one that fails has been undone; one that is aborted
    /// was ended by somebody's wish, or its pod was.</summary>
    private static readonly MetricLabel MigrationResult = new("result", "success", "failure", "refused", "aborted");

    private static readonly string[] AllReasons = [.. Constants(typeof(Reasons))];

    public static readonly CounterMetric Migrations = Set.Counter(
        "podmigration_operations_total",
        "Migrations that have ended: the pod goes on at the target, it does not, it was never touched, or somebody "
            + "has stopped the migration, or ended the pod before that had stopped anything",
        MigrationResult);

    public static readonly CounterMetric MigrationOutcomes = Set.Counter(
        "podmigration_outcomes_total",
        "Migrations that have ended, by what became of the pod and why; None: it was never touched",
        new MetricLabel("outcome", [.. Constants(typeof(Outcomes)), None]),
        "reason");

    public static readonly CounterMetric PodsLost = Set.Counter(
        "podmigration_lost_total",
        "Migrations that had stopped the pod, and after which no copy of it was left: outcome Lost");

    public static readonly HistogramMetric MigrationDuration = Set.Histogram(
        "podmigration_duration_seconds", "From the start of a migration to its end", Buckets.Seconds, MigrationResult);

    public static readonly HistogramMetric MigrationDowntime = Set.Histogram(
        "podmigration_downtime_seconds",
        "How long a migrated pod stood still: from the dump's beginning to the first instant at the target",
        Buckets.Seconds);

    public static readonly HistogramMetric MigrationSize = Set.Histogram(
        "podmigration_size_bytes", "Compressed size of what a successful migration moved", Buckets.Bytes);

    public static readonly HistogramMetric MigrationSteps = Set.Histogram(
        "podmigration_step_duration_seconds",
        "How long a step of a migration took",
        Buckets.Seconds,
        new MetricLabel("step", [.. Constants(typeof(Steps))]));

    public static readonly ObservedMetric MigrationObjects = Set.ObservedGauge(
        "podmigration_objects",
        "PodMigrations by phase; only the leader tells",
        new MetricLabel("phase", [.. Constants(typeof(MigrationPhases)), None]));

    public static readonly ObservedMetric OldestMigration = Set.ObservedGauge(
        "podmigration_oldest_age_seconds",
        "How long the oldest of the PodMigrations is under way that have begun and not ended; only the leader tells");

    public static readonly ObservedMetric MigrationsStalled = Set.ObservedGauge(
        "podmigration_stalled",
        "PodMigrations that have not ended and whose condition Stalled is true, going back ones too, by its reason; "
            + "only the leader tells",
        "reason");

    public static readonly ObservedMetric Nodes = Set.ObservedGauge(
        "checkpointnode_objects",
        "CheckpointNodes by their condition Ready and its reason; only the leader tells",
        new MetricLabel("ready", "True", "False", "Unknown"),
        "reason");

    public static readonly CounterMetric Checkpoints = Set.Counter(
        "podcheckpoint_operations_total",
        "PodCheckpoints that became ready or failed, those of migrations included", Result);

    public static readonly HistogramMetric CheckpointDuration = Set.Histogram(
        "podcheckpoint_duration_seconds", "From the creation of a PodCheckpoint to its being ready", Buckets.Seconds);

    public static readonly HistogramMetric CheckpointSize = Set.Histogram(
        "podcheckpoint_size_bytes", "Compressed size of a PodCheckpoint that became ready", Buckets.Bytes);

    public static readonly CounterMetric CheckpointReady = Set.Counter(
        "podcheckpoint_ready_condition_total",
        "Changes of the condition Ready of PodCheckpoints",
        new MetricLabel("status", "True", "False"),
        "reason");

    public static readonly ObservedMetric CheckpointContents = Set.ObservedGauge(
        "podcheckpointcontent_objects",
        "PodCheckpointContents by their condition Ready and its reason, ArtifactMissing where the bytes are gone; "
            + "only the leader tells",
        new MetricLabel("ready", "True", "False"),
        "reason");

    public static readonly CounterMetric AgentCalls = Set.Counter(
        "grpc_client_handled_total", "Calls to agents by how they ended", "grpc_method", "grpc_code");

    public static readonly HistogramMetric AgentCallDuration = Set.Histogram(
        "grpc_client_handling_seconds", "How long a call to an agent took", Buckets.Seconds, "grpc_method");

    public static readonly ObservedMetric Build = Set.ObservedGauge(
        "pod_checkpointing_build_info", "1; the labels say what runs", "component", "version");

    /// <summary>A reason word of ours, or Other: reasons are also read from objects, which others may write.</summary>
    public static string ReasonWord(string? reason) =>
        reason is null ? None : AllReasons.Contains(reason) ? reason : MetricLabel.Other;

    /// <summary>Measures a call to an agent.</summary>
    public static async Task<T> MeasureAsync<T>(Task<T> call, string method)
    {
        var began = Stopwatch.GetTimestamp();
        var code = nameof(StatusCode.OK);
        try
        {
            return await call;
        }
        catch (Exception exception)
        {
            code = exception is RpcException rpc ? rpc.StatusCode.ToString() : nameof(StatusCode.Cancelled);
            throw;
        }
        finally
        {
            method = method.EndsWith("Async", StringComparison.Ordinal) ? method[..^5] : method;
            AgentCalls.Count(method, code);
            AgentCallDuration.Record(Stopwatch.GetElapsedTime(began).TotalSeconds, method);
        }
    }

    private static IEnumerable<string> Constants(Type words) => words
        .GetFields(BindingFlags.Public | BindingFlags.Static)
        .Where(f => f.IsLiteral)
        .Select(f => (string)f.GetRawConstantValue()!);
}
