using Grpc.Core;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Fences;

/// <summary>Lets a pod go on that a dump has stopped, or is about to stop.</summary>
internal sealed class Thaw(
    Checkpointer checkpointer, DumpJournal journal, FenceBook fences, ContainerRuntime runtime, TimeProvider time,
    ILogger<Thaw> logger)
{
    /// <summary>How long nothing may hold the processes before a dump whose call was
    /// lost is taken to have ended.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    private const int Attempts = 60;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>Waits for dumps under way, not for their bytes, continues every
    /// process and sees that it runs.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="note">Is told of the containers that live before any of their processes is continued, which may end
    /// by itself at once; perhaps more than once.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>How many processes there are.</returns>
    /// <remarks>A process that is continued while it is being dumped would be left
    /// stopped at the end of the dump.</remarks>
    public async Task<int> ContinueAsync(
        string podUid, Action<IEnumerable<string>> note, CancellationToken cancellationToken)
    {
        await checkpointer.AbandonAsync(podUid, cancellationToken);
        if (journal.AnyPending(podUid))
        {
            await AwaitNoDumpAsync(podUid, cancellationToken);
        }

        if (fences.Find(podUid)?.TcpPolicy == TcpPolicies.Established)
        {
            await UnlockAsync(podUid, cancellationToken);
        }

        for (var left = Attempts; ; left--)
        {
            var containers = await runtime.ContainersAsync(podUid, cancellationToken);
            var processes = TreeOf(containers);
            var traced = processes.Where(p => ProcessState.IsTraced(p, processes)).ToList();
            note(containers
                .Where(c => ProcessIdentity.Of(c.Pid) is not null && !traced.Contains(c.Pid)).Select(c => c.Name));
            foreach (var process in processes.Except(traced))
            {
                Signals.Continue(process);
            }

            // One that stops itself is the application's business.
            if (!processes.Any(ProcessState.IsHeld) || (left == 0 && traced.Count == 0))
            {
                journal.Forget(podUid);
                AgentLog.Continued(logger, processes.Count, podUid);
                return processes.Count;
            }

            if (left == 0)
            {
                // CRIU would leave it stopped at the end of its dump.
                throw Refusal.Because(
                    StatusCode.Unavailable, Reasons.CheckpointInProgress,
                    $"process {traced[0]} is held by a dump, or by somebody who traces it");
            }

            await Task.Delay(PollInterval, time, cancellationToken);
        }
    }

    /// <summary>Kills every process of a fenced pod and waits until the runtime has none of its containers any more:
    /// whoever has the fence goes on elsewhere.</summary>
    /// <returns>How many were killed.</returns>
    /// <exception cref="RpcException">The caller has no fence of the pod, under which
    /// alone nothing starts again.</exception>
    public async Task<int> EndAsync(string podUid, string holder, CancellationToken cancellationToken)
    {
        if (fences.Find(podUid)?.Holder != holder)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.CheckpointFailed,
                "the migration that would end the pod's processes holds no fence of it");
        }

        var killed = new HashSet<int>();
        for (var left = Attempts; left > 0; left--)
        {
            var containers = await runtime.ContainersAsync(podUid, cancellationToken);
            if (containers.Count == 0 && await runtime.CountLiveAsync(podUid, cancellationToken) == 0)
            {
                AgentLog.Ended(logger, killed.Count, podUid);
                return killed.Count;
            }

            killed.UnionWith(containers.SelectMany(c => ProcessTree.OfContainer(c.Pid)).Where(Signals.Kill));
            await Task.Delay(PollInterval, time, cancellationToken);
        }

        throw Refusal.Because(
            StatusCode.Unavailable, Reasons.CheckpointFailed,
            $"containers of pod {podUid} still run though their {killed.Count} processes were killed");
    }

    /// <summary>A dump of another life of this agent: while CRIU works, the processes are traced or frozen.</summary>
    private async Task AwaitNoDumpAsync(string podUid, CancellationToken cancellationToken)
    {
        var since = time.GetTimestamp();
        while (time.GetElapsedTime(since) < Quiet)
        {
            if ((await TreeAsync(podUid, cancellationToken)).Any(
                p => !ProcessState.Runs(p) && !ProcessState.IsStopped(p)))
            {
                since = time.GetTimestamp();
            }

            await Task.Delay(PollInterval, time, cancellationToken);
        }
    }

    /// <summary>Before the processes: their connections are as they were when they go on.</summary>
    private async Task UnlockAsync(string podUid, CancellationToken cancellationToken)
    {
        // Without a sandbox there is no network to open.
        if (await runtime.NetworkNamespaceAsync(podUid, cancellationToken) is { } path)
        {
            await NodeNetwork.UnlockAsync(
                path.Length > 0
                    ? path
                    : throw Refusal.Because(
                        StatusCode.Unavailable,
                        Reasons.NodeNotCapable,
                        "the runtime does not tell the pod's network namespace"));
        }

        _ = RepairMode.Leave(await TreeAsync(podUid, cancellationToken));
    }

    private async Task<List<int>> TreeAsync(string podUid, CancellationToken cancellationToken) =>
        TreeOf(await runtime.ContainersAsync(podUid, cancellationToken));

    private static List<int> TreeOf(IEnumerable<RunningContainer> containers) => [.. containers.SelectMany(
        c => ProcessTree.OfContainer(c.Pid))];
}
