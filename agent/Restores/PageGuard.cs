using System.Globalization;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Api.V1;
using static PodCheckpointing.Agent.Restores.RestoreFolder;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Watches over processes that run already while CRIU's lazy-pages daemon, which the handler has started, brings
/// their pages.</summary>
/// <remarks>
/// Were the daemon to die, the kernel would close its userfaultfd, and whoever touched a page that is still missing would read
/// zeros. So the agent holds a copy of each userfaultfd before it lets the processes run: who needs a missing page then waits
/// for ever, and the tree is killed. Should the agent die alone, the daemon goes on, and the next agent takes the watch over.
/// </remarks>
internal sealed class PageGuard(IOptions<AgentOptions> options, TimeProvider time, ILogger<PageGuard> logger) : BackgroundService
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(2);

    /// <summary>How long the handler may take to write down how the daemon has ended.</summary>
    private static readonly TimeSpan LastWord = TimeSpan.FromSeconds(2);

    private readonly Lazy<bool> _possible = new(() =>
        File.Exists("/proc/sys/vm/unprivileged_userfaultfd") && Descriptors.CanCopy());

    /// <summary>Whether a staged container is to run before all its pages are in.</summary>
    /// <remarks>A small one is restored as quickly without a daemon.</remarks>
    public bool Wants(string folder) =>
        options.Value.LazyRestoreBytes is >= 0 and var least && _possible.Value
        && new DirectoryInfo(Path.Combine(folder, "checkpoint")) is { Exists: true } images
        && images.EnumerateFiles("pages-*.img").Sum(f => f.Length) >= least;

    /// <summary>Whether pages of a container are still to come.</summary>
    public static bool AreComing(string folder) =>
        File.Exists(Path.Combine(folder, "lazy")) && File.Exists(Path.Combine(folder, "lazy-pid")) && Text(folder, "pages")?.Trim() != "0";

    /// <summary>From here on the container's processes may run.</summary>
    /// <exception cref="Grpc.Core.RpcException">The daemon is gone before its time, and the processes with it.</exception>
    public async Task TakeAsync(string folder, CancellationToken cancellationToken)
    {
        var daemon = ProcessIdentity.Read(Text(folder, "lazy-pid"));
        // Until it listens no more it has not got all of them.
        while (AreComing(folder) && daemon?.Lives == true && Descriptors.IsListening(daemon.Pid))
        {
            await Task.Delay(Look, time, cancellationToken);
        }

        if (daemon is not null && Descriptors.CopyUserfaults(daemon) is { } copies)
        {
            AgentLog.Guarded(logger, copies.Count, folder);
            _ = Task.Factory.StartNew(
                () => WatchAsync(folder, copies), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap();
        }
        else if (!await EndedWellAsync(folder))
        {
            Kill(folder);
            throw Refusal.Because(Grpc.Core.StatusCode.FailedPrecondition, Reasons.RestoreFailed, Text(folder, "error")!.TrimEnd());
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var root = new DirectoryInfo(options.Value.RestoresFolder);
        foreach (var folder in root.Exists ? root.EnumerateDirectories().SelectMany(pod => pod.EnumerateDirectories()).Select(f => f.FullName).ToList() : [])
        {
            try
            {
                if (AreComing(folder) && File.Exists(Path.Combine(folder, "running")))
                {
                    await TakeAsync(folder, stoppingToken);
                }
            }
            catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
            {
                // The others are watched over all the same.
                AgentLog.PagesLost(logger, exception, folder);
            }
        }
    }

    private async Task WatchAsync(string folder, UserfaultCopies copies)
    {
        using (copies)
        {
            copies.WaitForDaemon();
            if (!await EndedWellAsync(folder))
            {
                Kill(folder);
                AgentLog.PagesLost(logger, null, folder);
            }
        }
    }

    private async Task<bool> EndedWellAsync(string folder)
    {
        var since = time.GetTimestamp();
        while (Text(folder, "pages") is null && time.GetElapsedTime(since) < LastWord)
        {
            await Task.Delay(Look, time);
        }

        return !AreComing(folder);
    }

    private static void Kill(string folder)
    {
        // What has not been restored whole is never started afresh by the runtime.
        File.Delete(Path.Combine(folder, "running"));
        Mark(folder, "error", string.Create(
            CultureInfo.InvariantCulture, $"not all pages of the processes could be brought (lazy-pages ended with {Text(folder, "pages")?.Trim() ?? "no word"})"));
        // Folders outlive a boot, and processes do not: a stranger may have the number.
        if (ProcessIdentity.Read(Text(folder, "pid")) is { Lives: true } first)
        {
            foreach (var process in ContainerRuntime.Tree(first.Pid).ToList())
            {
                Signals.Kill(process);
            }
        }
    }
}
