namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>Has an agent that is to end wait for the dump under way, whose options would stay the node's for as long as
/// it has no agent. Calls are answered meanwhile, but for new dumps. What is being stored is not waited for: the
/// next agent goes on with it.</summary>
internal sealed class LastDump(CriuConfiguration criu) : IHostedLifecycleService, IDisposable
{
    /// <summary>For how long an agent that ends waits in all; less than its pod's
    /// terminationGracePeriodSeconds.</summary>
    public static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(110);

    /// <summary>How long a call may go on when there is no dump any more: this one takes no others.</summary>
    private static readonly TimeSpan LastCalls = TimeSpan.FromSeconds(20);

    private readonly CancellationTokenSource _over = new();

    /// <summary>Ends the calls that go on.</summary>
    public CancellationToken Over => _over.Token;

    /// <inheritdoc/>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        try
        {
            await criu.CloseAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The next agent puts the options back, and finds the archive.
        }

        _over.CancelAfter(LastCalls);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _over.Dispose();
}
