using k8s;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Retention;

/// <summary>A look from time to time by the operator that leads, at what has become old.</summary>
internal abstract class LeaderSweep(
    IEnumerable<IInformer> informers, ILeadership leadership, TimeSpan interval, TimeProvider time, ILogger logger)
    : BackgroundService
{
    /// <summary>The clock.</summary>
    protected TimeProvider Time => time;

    /// <summary>Who leads.</summary>
    protected ILeadership Leadership => leadership;

    /// <summary>Where it is told what was done.</summary>
    protected ILogger Logger => logger;

    /// <summary>One look.</summary>
    public abstract Task SweepAsync(CancellationToken cancellationToken);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.WhenAll(informers.Select(i => i.Synced)).WaitAsync(stoppingToken);
        await leadership.Acquired.WaitAsync(stoppingToken);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken, leadership.Lost);
        using var timer = new PeriodicTimer(interval, time);
        try
        {
            do
            {
                try
                {
                    await SweepAsync(either.Token);
                }
                catch (Exception exception) when (!either.IsCancellationRequested)
                {
                    // Whatever it was: an operator that stops for it would leave the pods that stand still.
                    ManagerLog.SweepFailed(logger, exception, GetType().Name);
                }
            }
            while (await timer.WaitForNextTickAsync(either.Token));
        }
        catch (Exception) when (leadership.Lost.IsCancellationRequested)
        {
            // Somebody else goes on.
        }
    }
}
