using System.Diagnostics;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Metrics;

/// <summary>Measures dumps and restores; each call site says one thing.</summary>
internal static class OperationMeter
{
    public const string SourceName = "PodCheckpointing.Agent";

    private static readonly ActivitySource Source = new(SourceName);

    /// <summary>Restores that have been counted; an operator asks more than once how one has ended.</summary>
    private static readonly PerPodFlags Ended = new();

    /// <summary>One container, from the call to the stored checkpoint.</summary>
    public static async Task<CheckpointResponse> CheckpointAsync(Func<Task<CheckpointResponse>> operation)
    {
        var began = Stopwatch.GetTimestamp();
        using var span = Source.StartActivity("checkpoint container");
        AgentMetrics.InProgress.Move(1);
        try
        {
            var response = await operation();
            AgentMetrics.Checkpoints.Count("success");
            AgentMetrics.CheckpointDuration.Record(Stopwatch.GetElapsedTime(began).TotalSeconds);
            return response;
        }
        catch (Exception exception)
        {
            AgentMetrics.Checkpoints.Count("failure");
            AgentMetrics.CheckpointFailures.Count(AgentMetrics.ReasonOf(exception));
            span?.SetTag("error.type", AgentMetrics.ReasonOf(exception)).SetStatus(
                ActivityStatusCode.Error, exception.Message);
            throw;
        }
        finally
        {
            AgentMetrics.InProgress.Move(-1);
        }
    }

    /// <summary>A dump is on the volume.</summary>
    public static void Stored(ContainerManifest manifest, TimeSpan dump, TimeSpan store)
    {
        var now = DateTime.UtcNow;
        Span("dump", now - store - dump, now - store);
        Span("store", now - store, now, ("size_bytes", manifest.Size), ("compressed_bytes", manifest.CompressedSize));
        AgentMetrics.DumpDuration.Record(dump.TotalSeconds);
        AgentMetrics.StoreDuration.Record(store.TotalSeconds);
        AgentMetrics.CheckpointSize.Record(manifest.Size);
        AgentMetrics.BytesRead.Add(manifest.Size);
        AgentMetrics.BytesWritten.Add(manifest.CompressedSize);
        if (manifest.CompressedSize > 0)
        {
            AgentMetrics.Compression.Record((double)manifest.Size / manifest.CompressedSize);
        }
    }

    /// <summary>A checkpoint lies ready.</summary>
    public static void Staged(long bytes, TimeSpan took)
    {
        var now = DateTime.UtcNow;
        Span("stage", now - took, now, ("size_bytes", bytes));
        AgentMetrics.StagedBytes.Add(bytes);
        AgentMetrics.StageDuration.Record(took.TotalSeconds);
    }

    /// <summary>How far the restores of a pod have come: what has ended is counted, once.</summary>
    public static void Seen(
        string podUid, IReadOnlyList<ContainerRestore> states, Func<string, (DateTime From, DateTime To)?> restored)
    {
        foreach (var state in states)
        {
            if (state.Phase is not (RestorePhases.Running or RestorePhases.Failed)
                || !Ended.Add(podUid, state.ContainerName))
            {
                continue;
            }

            AgentMetrics.Restores.Count(state.Phase == RestorePhases.Running ? "success" : "failure");
            if (state.RestoreMicroseconds > 0)
            {
                // As the handler has written it down.
                if (restored(state.ContainerName) is var (from, to))
                {
                    Span("restore", from, to, ("k8s.container.name", state.ContainerName));
                }

                AgentMetrics.RestoreDuration.Record(state.RestoreMicroseconds / 1e6);
            }
        }
    }

    /// <summary>A span of something that has ended.</summary>
    private static void Span(
        string name, DateTime from, DateTime to, params ReadOnlySpan<(string Key, object Value)> tags)
    {
        using var span = Source.StartActivity(ActivityKind.Internal, startTime: from, name: name);
        foreach (var (key, value) in tags)
        {
            span?.SetTag(key, value);
        }

        span?.SetEndTime(to);
    }

    /// <summary>Forgets the restores of pods that have gone from the node.</summary>
    public static void Forget(IReadOnlySet<string> pods) => Ended.Forget(pods);
}
