using System.Globalization;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Lets a pod's restored processes run, or sees to it that they never will.</summary>
internal sealed class RestoreRelease(
    AheadStaging ahead, PageGuard guard, IOptions<AgentOptions> options, KeyedLock<PodRestoreFolder> pods,
    TimeProvider time)
{
    /// <summary>Lets a pod's restored processes run that hold no address.</summary>
    public Task ReleaseAsync(string podUid, CancellationToken cancellationToken) =>
        ReleaseAsync(podUid, null, cancellationToken);

    /// <summary>Lets a pod's restored processes run: at once, where every container has been started, else the handler
    /// does it at the start of the last one. Where something is to be done before, the starts are waited for.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="before">What is done immediately before; null: nothing is.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="RpcException">The restore was cancelled, or the disk has no room to
    /// tell what became of it.</exception>
    public async Task ReleaseAsync(string podUid, Func<Task>? before, CancellationToken cancellationToken)
    {
        var folder = PodRestoreFolder.Of(options.Value, podUid);
        if (before is not null || folder.ReadMembers().Any(m => m.Lazy.Exists))
        {
            await StartedAsync(folder, cancellationToken);
        }

        try
        {
            await pods.RunAsync(folder, () => LetRunAsync(folder, before, cancellationToken), cancellationToken);
        }
        catch (IOException exception) when (FullDisk.RefusalOf(exception, options.Value) is { } full)
        {
            throw full;
        }
    }

    /// <summary>Whatever of a pod waits for its checkpoint fails, none will be staged any more, and what does not run
    /// yet never will.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="reason">What the failure will say.</param>
    /// <param name="unlessRun">Leaves a pod alone whose processes have been let run.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether its processes have been let run.</returns>
    public Task<bool> CancelAsync(string podUid, string reason, bool unlessRun, CancellationToken cancellationToken)
    {
        var folder = PodRestoreFolder.Of(options.Value, podUid);
        return pods.RunAsync(
            folder,
            async () =>
            {
                // For the whole pod, and first: its create may not have come as far as its folder.
                Directory.CreateDirectory(folder.FullName);
                var hasRun = !folder.Decide(PodRestoreFolder.Cancelled);
                if (hasRun && unlessRun)
                {
                    return true;
                }

                var containers = folder.Containers;
                foreach (var container in hasRun ? [] : containers)
                {
                    // kubelet would run the pod's preStop hooks beside it.
                    container.KillProcesses();
                }

                try
                {
                    folder.Fail(reason);
                }
                catch (IOException)
                {
                    // A full disk has no room for a word, and whoever asks must not wait for
                    // it: by the verdict alone nothing runs.
                }

                await ahead.GiveUpAsync(folder);
                foreach (var container in containers)
                {
                    container.Staged.Delete();
                }

                return hasRun;
            },
            cancellationToken);
    }

    private async Task LetRunAsync(PodRestoreFolder folder, Func<Task>? before, CancellationToken cancellationToken)
    {
        var members = folder.ReadMembers();
        if (WhyNot(folder, members) is { } why)
        {
            throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, why);
        }

        foreach (var member in members.Where(m => m.PagesAreComing && !m.Running.Exists))
        {
            await guard.TakeAsync(member, cancellationToken);
        }

        if (before is not null)
        {
            if (!members.All(m => m.Started.Exists))
            {
                throw Refusal.Because(
                    StatusCode.Unavailable, Reasons.RestoreFailed,
                    "not every container of the pod has been started yet");
            }

            await before();
        }

        // Write go, then look for started. The handler writes started, then looks for go: at least one of them sees
        // both.
        folder.Go.Write("");
        var waiting = members.Where(m => !m.Running.Exists).ToList();
        if (waiting.Count > 0 && members.All(m => m.Started.Exists))
        {
            Continue(folder, waiting);
        }
    }

    /// <summary>Why a pod's processes may not run; null where they may.</summary>
    private static string? WhyNot(PodRestoreFolder folder, List<ContainerRestoreFolder> members)
    {
        var failures = members.Where(m => m.Failure is not null)
            .Select(m => $"container {m.Name} could not be restored: {m.Failure}");
        var unconfirmed = members.Where(m => m.Unconfirmed.Exists)
            .Select(m => $"container {m.Name} was restored from a checkpoint that is not confirmed as sealed");
        return members.Count == 0
            ? "nothing of the pod is staged here"
            : (folder.Failed.Text ?? failures.FirstOrDefault())?.TrimEnd() ?? unconfirmed.FirstOrDefault();
    }

    /// <summary>Of a release that was cut off some run already. Before any other does, all that can fail is done: a pod
    /// does not run in part.</summary>
    private void Continue(PodRestoreFolder folder, List<ContainerRestoreFolder> waiting)
    {
        var processes = waiting.Select(m => (Member: m, First: FirstOf(m))).ToList();
        var at = time.UnixNanoseconds().ToString(CultureInfo.InvariantCulture);
        foreach (var member in waiting)
        {
            // What is said afterwards needs its room before: on a full disk nothing is decided.
            member.Running.Draft(at);
        }

        if (!folder.Decide(PodRestoreFolder.Run))
        {
            throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, "the restore was cancelled");
        }

        foreach (var (member, first) in processes)
        {
            // Every process: one that stays stopped would hang its peers. All are
            // known before one runs, and perhaps ends.
            foreach (var pid in ProcessTree.Of(first.Pid))
            {
                Signals.Continue(pid);
            }

            member.Running.Publish();
        }
    }

    /// <summary>A pod whose pages come later, or whose address is let go, is let run from here, and so when all its
    /// containers have been started. Nothing is held meanwhile: it may be cancelled.</summary>
    private async Task StartedAsync(PodRestoreFolder folder, CancellationToken cancellationToken)
    {
        var members = folder.ReadMembers();
        while (!members.All(m => m.Started.Exists) && !folder.Failed.Exists && !members.Any(m => m.Failure is not null))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(2), time, cancellationToken);
        }
    }

    /// <exception cref="RpcException">It is gone, and with it what was restored.</exception>
    private static ProcessIdentity FirstOf(ContainerRestoreFolder member)
    {
        if (member.First is { } first)
        {
            return first;
        }

        var gone = $"the restored processes of container {member.Name} are gone";
        member.Error.Write(gone);
        throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, gone);
    }
}
