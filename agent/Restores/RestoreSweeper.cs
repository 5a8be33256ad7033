using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Runtimes;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Removes what restores leave on the node: the memory of pods does not lie about
/// longer than it is needed.</summary>
internal sealed class RestoreSweeper(
    ContainerRuntime runtime, RestoreWatch restores, IOptions<AgentOptions> options, TimeProvider time,
    ILogger<RestoreSweeper> logger)
    : PeriodicTask("remove restores that nobody needs any more", TimeSpan.FromSeconds(30), atOnce: true, time, logger)
{
    /// <summary>A pod that the runtime does not know may be one that it does not know yet.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(10);

    /// <summary>Removes what nobody needs any more.</summary>
    /// <param name="pods">Uids of the pods that the runtime has.</param>
    /// <returns>How many folders went.</returns>
    public int Sweep(IReadOnlySet<string> pods)
    {
        var removed = 0;
        OperationMeter.Forget(pods);
        restores.Forget(pods);
        foreach (var pod in PodRestoreFolder.All(options.Value))
        {
            // A boot may take all sandboxes; kubelet's folder of the pod tells that it is to start again, and what says
            // here that it has run before has to stand.
            if (!pods.Contains(pod.PodUid) && Time.GetUtcNow() - Directory.GetLastWriteTimeUtc(pod.FullName) > Grace
                && !Directory.Exists(Path.Combine(options.Value.KubeletPods, pod.PodUid)))
            {
                Directory.Delete(pod.FullName, recursive: true);
                removed++;
                continue;
            }

            // Once it runs with all its pages, the images are never read again: a restart is a fresh
            // start. The markers stay with the pod.
            removed += pod.Containers.Where(c => c.Running.Exists && !c.PagesAreComing).Sum(c => c.RemoveStaged());
        }

        return removed;
    }

    /// <inheritdoc/>
    protected override async Task DoAsync(CancellationToken cancellationToken)
    {
        if (Sweep(await runtime.PodUidsAsync(cancellationToken)) is > 0 and var removed)
        {
            AgentLog.Swept(Logger, removed);
        }
    }
}
