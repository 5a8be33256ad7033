using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Agent.Network;

/// <summary>Has addresses let go that are held for nobody: the operator gives a node up as
/// lost, and the node comes back.</summary>
internal sealed class AddressSweeper(
    AddressHolds holds, ContainerRuntime runtime, TimeProvider time, ILogger<AddressSweeper> logger)
    : PeriodicTask("let addresses go that are held for nobody", TimeSpan.FromSeconds(30), atOnce: true, time, logger)
{
    /// <inheritdoc/>
    protected override async Task DoAsync(CancellationToken cancellationToken)
    {
        await holds.RecoverAsync(cancellationToken);
        if (await holds.SweepAsync(runtime.AddressesAsync, cancellationToken) is > 0 and var swept)
        {
            AgentLog.LetGo(Logger, swept);
        }
    }
}
