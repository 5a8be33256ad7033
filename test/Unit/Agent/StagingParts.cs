using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Unit.Agent;

/// <summary>What an agent stages with, over a store and a folder of a test.</summary>
internal static class StagingParts
{
    public static RestoreStaging Staging(
        CheckpointStore store, string state, AheadStaging? ahead = null, TimeProvider? time = null)
    {
        var options = Options.Create(new AgentOptions { StateRoot = state });
        return new RestoreStaging(
            store,
            new VolumeContent(store, new PodCgroup(options), options),
            ahead ?? Ahead(store, state),
            new PageGuard(options, TimeProvider.System, NullLogger<PageGuard>.Instance),
            options,
            new KeyedLock<PodRestoreFolder>(),
            time ?? TimeProvider.System,
            NullLogger<RestoreStaging>.Instance);
    }

    public static RestoreRelease Release(CheckpointStore store, string state, AheadStaging? ahead = null)
    {
        var options = Options.Create(new AgentOptions { StateRoot = state });
        return new RestoreRelease(
            ahead ?? Ahead(store, state),
            new PageGuard(options, TimeProvider.System, NullLogger<PageGuard>.Instance),
            options,
            new KeyedLock<PodRestoreFolder>(),
            TimeProvider.System);
    }

    public static AheadStaging Ahead(CheckpointStore store, string state) =>
        new(store, Options.Create(
            new AgentOptions { StateRoot = state }), TimeProvider.System, NullLogger<AheadStaging>.Instance);
}
