using Grpc.Core;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime.Metrics;

namespace PodCheckpointing.Agent.Metrics;

/// <summary>What the agent counts. KEP-5823 counts pods at kubelet; an agent dumps and restores containers.</summary>
internal static class AgentMetrics
{
    public static readonly MetricSet Set = new("PodCheckpointing.Agent");

    private static readonly MetricLabel Result = new("result", "success", "failure");

    public static readonly CounterMetric Checkpoints = Set.Counter(
        "container_checkpoint_operations_total", "Containers that were dumped and stored, or were not", Result);

    public static readonly CounterMetric CheckpointFailures = Set.Counter(
        "container_checkpoint_failures_total", "Containers that were not dumped or stored, by reason", "reason");

    public static readonly HistogramMetric CheckpointDuration = Set.Histogram(
        "container_checkpoint_duration_seconds", "From the call to the stored checkpoint of a container",
        Buckets.Seconds);

    public static readonly HistogramMetric DumpDuration = Set.Histogram(
        "container_checkpoint_dump_seconds", "How long kubelet took to dump a container", Buckets.Seconds);

    public static readonly HistogramMetric StoreDuration = Set.Histogram(
        "container_checkpoint_store_seconds", "How long it took to compress a dump onto the volume", Buckets.Seconds);

    public static readonly HistogramMetric CheckpointSize = Set.Histogram(
        "container_checkpoint_size_bytes", "Size of a container's dump before compression", Buckets.Bytes);

    public static readonly CounterMetric BytesRead = Set.Counter(
        "container_checkpoint_read_bytes_total", "Bytes of dumps that were stored, before compression");

    public static readonly CounterMetric BytesWritten = Set.Counter(
        "container_checkpoint_written_bytes_total", "Bytes that were written to the volume, compressed");

    public static readonly HistogramMetric Compression = Set.Histogram(
        "container_checkpoint_compression_ratio",
        "Size before compression over size after it",
        [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128]);

    public static readonly LevelMetric InProgress = Set.Level(
        "container_checkpoints_in_progress", "Containers that are being dumped or stored");

    public static readonly CounterMetric Restores = Set.Counter(
        "container_restore_operations_total", "Containers whose restore has ended", Result);

    public static readonly HistogramMetric RestoreDuration = Set.Histogram(
        "container_restore_duration_seconds", "How long CRIU took to restore a container", Buckets.Seconds);

    public static readonly HistogramMetric StageDuration = Set.Histogram(
        "container_restore_stage_seconds", "How long it took to verify a checkpoint and lay it ready", Buckets.Seconds);

    public static readonly CounterMetric StagedBytes = Set.Counter(
        "container_restore_staged_bytes_total", "Bytes that were laid ready for restores");

    public static readonly ObservedMetric StagingBytes = Set.ObservedGauge(
        "checkpoint_agent_staging_bytes", "What lies ready for restores on the node's disk");

    public static readonly ObservedMetric Fences = Set.ObservedGauge(
        "checkpoint_agent_fences", "Pods of this node that may not start a container");

    public static readonly ObservedMetric OldestFence = Set.ObservedGauge(
        "checkpoint_agent_oldest_fence_age_seconds", "How long the oldest fence of this node has stood");

    public static readonly GaugeMetric StoreFree = Set.Gauge(
        "checkpoint_agent_store_free_bytes", "What is free on the volume of checkpoints");

    public static readonly GaugeMetric StoreSampled = Set.Gauge(
        "checkpoint_agent_store_sampled_timestamp_seconds",
        "When the volume last answered, Unix time: a volume that hangs answers nobody");

    public static readonly GaugeMetric StagingFree = Set.Gauge(
        "checkpoint_agent_staging_free_bytes", "What is free on the disk where restores are laid ready");

    public static readonly CounterMetric Calls = Set.Counter(
        "grpc_server_handled_total", "Calls of the operator by how they ended", "grpc_method", "grpc_code");

    public static readonly HistogramMetric CallDuration = Set.Histogram(
        "grpc_server_handling_seconds", "How long a call took", Buckets.Seconds, "grpc_method");

    public static readonly ObservedMetric Build = Set.ObservedGauge(
        "pod_checkpointing_build_info", "1; the labels say what runs", "component", "version");

    /// <summary>Why something failed, in a word of the agent's own code: few, and no part
    /// of them comes from outside.</summary>
    public static string ReasonOf(Exception exception) =>
        exception is RpcException rpc ? AgentReasons.Of(rpc) : Reasons.AgentFailed;
}
