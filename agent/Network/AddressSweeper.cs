using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Agent.Network;

/// <summary>Has addresses let go that are held for nobody: the operator gives a node up as lost, and the node comes back.</summary>
internal sealed class AddressSweeper(AddressHolds holds, ContainerRuntime runtime, TimeProvider time, ILogger<AddressSweeper> logger)
    : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        do
        {
            try
            {
                await holds.RecoverAsync(stoppingToken);
                if (await holds.SweepAsync(runtime.AddressesAsync, stoppingToken) is > 0 and var swept)
                {
                    AgentLog.LetGo(logger, swept);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                AgentLog.SweepFailed(logger, exception, "let addresses go that are held for nobody");
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
