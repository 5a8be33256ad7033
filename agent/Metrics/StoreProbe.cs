using Microsoft.Extensions.Options;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Metrics;

/// <summary>Asks the volume now and then what is free. Not at a scrape: a network volume that
/// hangs would hang it, too.</summary>
internal sealed class StoreProbe(
    CheckpointStore store, IOptions<AgentOptions> options, TimeProvider time, ILogger<StoreProbe> logger)
    : PeriodicTask("ask the volume what is free on it", Period, atOnce: true, time, logger)
{
    internal static readonly TimeSpan Period = TimeSpan.FromSeconds(15);

    /// <summary>Asks once.</summary>
    internal void Probe()
    {
        // The node's own disk first: the volume may be away.
        if (Directory.Exists(options.Value.StateRoot))
        {
            AgentMetrics.StagingFree.Set(new DriveInfo(options.Value.StateRoot).AvailableFreeSpace);
        }

        AgentMetrics.StoreFree.Set(store.FreeBytes());
        AgentMetrics.StoreSampled.Set((Time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds);
    }

    /// <inheritdoc/>
    protected override Task DoAsync(CancellationToken cancellationToken) => OnOwnThread(Probe);
}
