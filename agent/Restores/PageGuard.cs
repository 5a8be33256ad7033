using System.Globalization;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Watches over processes that run already while CRIU's lazy-pages daemon, which the handler has started,
/// brings their pages.</summary>
/// <remarks>
/// Were the daemon to die, the kernel would close its userfaultfd, and whoever touched a page that is still missing
/// would read zeros. So the agent holds a copy of each userfaultfd before it lets the processes run: who needs a
/// missing page then waits for ever, and the tree is killed. Should the agent die alone, the daemon goes on, and the
/// next agent takes the watch over.
/// </remarks>
internal sealed class PageGuard(
    IOptions<AgentOptions> options, TimeProvider time, ILogger<PageGuard> logger) : BackgroundService
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(2);

    /// <summary>How long the handler may take to write down how the daemon has ended.</summary>
    private static readonly TimeSpan LastWord = TimeSpan.FromSeconds(2);

    private readonly Lazy<bool> _possible = new(() =>
        File.Exists("/proc/sys/vm/unprivileged_userfaultfd") && Userfaults.CanCopy());

    /// <summary>Whether a staged container is to run before all its pages are in.</summary>
    /// <remarks>A small one is restored as quickly without a daemon.</remarks>
    public bool Wants(ContainerRestoreFolder folder) =>
        options.Value.LazyRestoreBytes is >= 0 and var least
        && _possible.Value
        && folder.Images is { Exists: true } images
            && images.EnumerateFiles("pages-*.img").Sum(f => f.Length) >= least;

    /// <summary>From here on the container's processes may run.</summary>
    /// <exception cref="Grpc.Core.RpcException">The daemon is gone before its time,
    /// and the processes with it.</exception>
    public async Task TakeAsync(ContainerRestoreFolder folder, CancellationToken cancellationToken)
    {
        var daemon = ProcessIdentity.Read(folder.LazyPid.Text);
        // Until it listens no more it has not got all of them.
        while (folder.PagesAreComing && daemon?.Lives == true && Userfaults.IsListening(daemon.Pid))
        {
            await Task.Delay(PollInterval, time, cancellationToken);
        }

        if (daemon is not null && Userfaults.CopyAll(daemon) is { } copies)
        {
            AgentLog.Guarded(logger, copies.Count, folder.FullName);
            _ = Task.Factory.StartNew(
                () => WatchAsync(folder, copies), CancellationToken.None, TaskCreationOptions.LongRunning,
                TaskScheduler.Default).Unwrap();
        }
        else if (!await EndedWellAsync(folder))
        {
            Kill(folder);
            throw Refusal.Because(
                Grpc.Core.StatusCode.FailedPrecondition, Reasons.RestoreFailed, folder.Error.Text!.TrimEnd());
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        foreach (var folder in PodRestoreFolder.All(options.Value).SelectMany(pod => pod.Containers))
        {
            try
            {
                if (folder.PagesAreComing && folder.Running.Exists)
                {
                    await TakeAsync(folder, stoppingToken);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The others are watched over all the same.
                AgentLog.PagesLost(logger, exception, folder.FullName);
            }
        }
    }

    private async Task WatchAsync(ContainerRestoreFolder folder, UserfaultCopies copies)
    {
        using (copies)
        {
            copies.WaitForDaemon();
            if (!await EndedWellAsync(folder))
            {
                Kill(folder);
                AgentLog.PagesLost(logger, null, folder.FullName);
            }
        }
    }

    private async Task<bool> EndedWellAsync(ContainerRestoreFolder folder)
    {
        var since = time.GetTimestamp();
        while (folder.Pages.Text is null && time.GetElapsedTime(since) < LastWord)
        {
            await Task.Delay(PollInterval, time);
        }

        return !folder.PagesAreComing;
    }

    private static void Kill(ContainerRestoreFolder folder)
    {
        // What has not been restored whole is never started afresh by the runtime.
        folder.Running.Delete();
        folder.Error.Write(string.Create(
            CultureInfo.InvariantCulture,
            $"not all pages of the processes could be brought (lazy-pages ended with {folder.Pages.Text?.Trim() ?? "no word"})"));
        folder.KillProcesses();
    }
}
