using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Agent.Fences;

/// <summary>Has fences, and the marks of lifted ones, forgotten when their pods have left this node.</summary>
internal sealed class FenceSweeper(FenceBook fences, ContainerRuntime runtime, TimeProvider time, ILogger<FenceSweeper> logger)
    : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromMinutes(10);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                _ = fences.Sweep(await runtime.PodUidsAsync(stoppingToken));
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                AgentLog.SweepFailed(logger, exception, "forget the marks of lifted fences");
            }
        }
    }
}
