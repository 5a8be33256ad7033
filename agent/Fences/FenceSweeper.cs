using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Agent.Fences;

/// <summary>Has fences, the marks of lifted ones and the dumps that went with them forgotten when their
/// pods have left this node.</summary>
internal sealed class FenceSweeper(
    FenceBook fences, Checkpointer checkpointer, ContainerRuntime runtime, TimeProvider time,
    ILogger<FenceSweeper> logger)
    : PeriodicTask("forget fences whose pods have left", TimeSpan.FromMinutes(10), atOnce: false, time, logger)
{
    /// <inheritdoc/>
    protected override async Task DoAsync(CancellationToken cancellationToken)
    {
        var pods = await runtime.PodUidsAsync(cancellationToken);
        _ = fences.Sweep(pods);
        checkpointer.Forget(pods);
    }
}
