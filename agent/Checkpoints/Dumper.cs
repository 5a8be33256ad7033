using System.Diagnostics;
using Grpc.Core;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>An archive that kubelet has left on this node.</summary>
/// <param name="Tar">Its path.</param>
/// <param name="StoppedAt">When the dump was begun.</param>
/// <param name="Took">How long kubelet took.</param>
/// <param name="Ended">When it had been made: a timestamp.</param>
/// <param name="LeftStopped">Whether every process stood still afterwards.</param>
internal sealed record Dump(string Tar, DateTime StoppedAt, TimeSpan Took, long Ended, bool LeftStopped);

/// <summary>Has a container dumped, or finds the dump whose end nobody saw.</summary>
internal sealed class Dumper(
    KubeletClient kubelet, CriuConfiguration criu, DumpLimits limits, DumpJournal journal, TimeProvider time,
    ILogger<Dumper> logger)
{
    /// <summary>CRIU has let go of the processes with a stop signal: how long a busy machine
    /// may take to let them see it.</summary>
    private static readonly TimeSpan Stopping = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(2);

    /// <summary>CRIU writes the memory, and the runtime writes it once more, into the archive: of a slow disk that many
    /// bytes of both in a second.</summary>
    private const long SlowestBytesPerSecond = 16 << 20;

    /// <summary>One dump; other dumps of this node wait for it, for CRIU's options are the node's.</summary>
    /// <param name="request">What is dumped.</param>
    /// <param name="container">The container.</param>
    /// <param name="fence">The fence that it is made under.</param>
    /// <param name="cancellationToken">Ends the wait for other dumps, and nothing else.</param>
    public Task<Dump> DumpAsync(
        CheckpointRequest request, RunningContainer container, FenceRecord? fence,
        CancellationToken cancellationToken) =>
        criu.WithAsync(
            fence,
            async () =>
            {
                if (CriuConfiguration.TcpLine(fence?.TcpPolicy ?? "").Length == 0
                    && journal.Pending(request) is null
                    && ConnectedSockets.Of(ProcessTree.Of(container.Pid)) is { Count: > 0 } connected)
                {
                    throw KubeletClient.ConnectedSocketsRefused($"{connected.Count} of them");
                }

                var watch = Stopwatch.GetTimestamp();
                var (tar, stoppedAt) =
                    await FindLostAsync(request, container) ?? await AskKubeletAsync(request, container);
                var ended = Stopwatch.GetTimestamp();
                var took = Stopwatch.GetElapsedTime(watch, ended);
                var leftStopped = fence is not null && await StandsStillAsync(container.Pid);
                AgentLog.Dumped(logger, request.PodUid, request.ContainerName, took.TotalMilliseconds, leftStopped);
                return new Dump(tar, stoppedAt, took, ended, leftStopped);
            },
            cancellationToken);

    /// <summary>The archive is not needed any more: its bytes are safe. kubelet
    /// itself never removes its file.</summary>
    public void Forget(CheckpointRequest request, Dump dump)
    {
        File.Delete(dump.Tar);
        journal.End(request);
    }

    /// <summary>How many seconds kubelet is to wait for a dump of so many bytes of memory.</summary>
    internal static uint PatienceFor(long bytes) =>
        KubeletClient.DefaultTimeoutSeconds + (uint)(bytes / SlowestBytesPerSecond);

    /// <summary>Looked at, not assumed: a process that runs on would be the second live copy.</summary>
    private async Task<bool> StandsStillAsync(int pid)
    {
        // CRIU stops the tree that it dumps. What was started beside it (kubectl exec, probes) is in no checkpoint, and
        // would write on behind it.
        var beside = ProcessTree.Beside(pid);
        beside.ForEach(process => Signals.Stop(process));
        var since = time.GetTimestamp();
        while (!ProcessTree.Of(pid).Concat(beside).All(ProcessState.IsStopped))
        {
            if (time.GetElapsedTime(since) >= Stopping)
            {
                return false;
            }

            await Task.Delay(PollInterval, time);
        }

        return true;
    }

    private async Task<(string Tar, DateTime StoppedAt)> AskKubeletAsync(
        CheckpointRequest request, RunningContainer container)
    {
        limits.Require(request, container);
        var stoppedAt = journal.Begin(request);
        try
        {
            var tar = await kubelet.CheckpointAsync(
                request.PodNamespace,
                request.PodName,
                request.ContainerName,
                Math.Max(request.TimeoutSeconds, PatienceFor(ProcessState.MemoryOf(container.Pid))),
                CancellationToken.None);
            return (tar, stoppedAt);
        }
        catch (RpcException exception) when (exception.StatusCode != StatusCode.Unavailable)
        {
            // kubelet has answered: there was no dump.
            journal.Discard(request);
            throw;
        }
    }

    /// <summary>The archive of a dump whose end nobody saw.</summary>
    private async Task<(string Tar, DateTime StoppedAt)?> FindLostAsync(
        CheckpointRequest request, RunningContainer container)
    {
        if (journal.Pending(request) is not { } since)
        {
            return null;
        }

        bool GoesOn() => !ProcessTree.Of(container.Pid).All(ProcessState.Runs);
        if (await journal.FindArchiveAsync(request, since, GoesOn, CancellationToken.None) is { } tar)
        {
            AgentLog.Found(logger, request.PodUid, request.ContainerName);
            return (tar, since);
        }

        if (ProcessTree.OfContainer(container.Pid) is var processes && ProcessState.AreTraced(processes))
        {
            throw Refusal.Because(
                StatusCode.Unavailable, Reasons.CheckpointInProgress, "an earlier dump of the container goes on");
        }

        // It came to nothing. What it left stopped goes on, so that the next one finds it as CRIU needs it: no copy
        // runs anywhere else, for no archive of it was ever given to anybody.
        foreach (var pid in processes)
        {
            Signals.Continue(pid);
        }

        journal.Discard(request);
        return null;
    }
}
