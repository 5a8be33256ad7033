using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Agent.Fences;

/// <summary>Has fences, the marks of lifted ones and the dumps that went with them forgotten when their pods have left this node.</summary>
internal sealed class FenceSweeper(FenceBook fences, Checkpointer checkpointer, ContainerRuntime runtime, TimeProvider time, ILogger<FenceSweeper> logger)
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
                var pods = await runtime.PodUidsAsync(stoppingToken);
                _ = fences.Sweep(pods);
                checkpointer.Forget(pods);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                AgentLog.SweepFailed(logger, exception, "forget the marks of lifted fences");
            }
        }
    }
}
