namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>At shutdown, waits for the dump in progress: its CRIU options would stay in the node's configuration until
/// the next agent starts. New dumps are refused, other calls are served. Storing is not waited for; the next agent
/// resumes it.</summary>
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
