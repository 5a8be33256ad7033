namespace PodCheckpointing.Agent;

/// <summary>Something that is done again and again. What fails is told, and tried again.</summary>
/// <param name="what">What it does, for the log: "Could not … ; it is tried again".</param>
/// <param name="period">From one time to the next.</param>
/// <param name="atOnce">Whether it is also done at the start.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Where a failure is told.</param>
internal abstract class PeriodicTask(
    string what, TimeSpan period, bool atOnce, TimeProvider time, ILogger logger) : BackgroundService
{
    protected TimeProvider Time => time;

    protected ILogger Logger => logger;

    /// <summary>What is being done, or was last. It may outlive the end of this service, as the thread of a hung
    /// volume does.</summary>
    internal Task Work { get; private set; } = Task.CompletedTask;

    /// <summary>Does it once, and does not block: see <see cref="OnOwnThread"/>.</summary>
    protected abstract Task DoAsync(CancellationToken cancellationToken);

    /// <summary>Work that may stay in the kernel for as long as a file server does not answer.</summary>
    protected static Task OnOwnThread(Action work) => Task.Factory.StartNew(
        work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(period, time);
        var isDue = atOnce || await timer.WaitForNextTickAsync(stoppingToken);
        while (isDue)
        {
            try
            {
                Work = DoAsync(stoppingToken);
                // Who hangs, at a volume that does not answer, does not hold the end of the agent.
                await Work.WaitAsync(stoppingToken);
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                AgentLog.Failed(logger, exception, what);
            }

            isDue = await timer.WaitForNextTickAsync(stoppingToken);
        }
    }
}
