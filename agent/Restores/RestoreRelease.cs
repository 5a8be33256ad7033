using System.Globalization;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Api.V1;
using static PodCheckpointing.Agent.Restores.RestoreFolder;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Lets a pod's restored processes run, or sees to it that they never will.</summary>
internal sealed class RestoreRelease(
    AheadStaging ahead, PageGuard guard, IOptions<AgentOptions> options, KeyedLock<string> pods, TimeProvider time)
{
    /// <summary>Lets a pod's restored processes run that hold no address.</summary>
    public Task ReleaseAsync(string podUid, CancellationToken cancellationToken) => ReleaseAsync(podUid, null, cancellationToken);

    /// <summary>Lets a pod's restored processes run: at once, where every container has been started, else the handler
    /// does it at the start of the last one. Where something is to be done before, the starts are waited for.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="before">What is done immediately before; null: nothing is.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="RpcException">The restore was cancelled, or the disk has no room to tell what became of it.</exception>
    public async Task ReleaseAsync(string podUid, Func<Task>? before, CancellationToken cancellationToken)
    {
        var folder = OfPod(options, podUid);
        if (before is not null || MembersOf(folder).Any(m => Has(m, "lazy")))
        {
            await StartedAsync(folder, cancellationToken);
        }

        try
        {
            await pods.RunAsync(
                folder,
                async () =>
                {
                    await LetRunAsync(folder, before, cancellationToken);
                    return true;
                },
                cancellationToken);
        }
        catch (IOException exception) when (FullDisk.RefusalOf(exception, options.Value) is { } full)
        {
            throw full;
        }
    }

    /// <summary>Whatever of a pod waits for its checkpoint fails, none will be staged any more, and what does not run yet
    /// never will.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="reason">What the failure will say.</param>
    /// <param name="unlessRun">Leaves a pod alone whose processes have been let run.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether its processes have been let run.</returns>
    public Task<bool> CancelAsync(string podUid, string reason, bool unlessRun, CancellationToken cancellationToken)
    {
        var folder = OfPod(options, podUid);
        return pods.RunAsync(
            folder,
            async () =>
            {
                // For the whole pod, and first: its create may not have come as far as its folder.
                Directory.CreateDirectory(folder);
                var hasRun = !Decide(folder, "Cancelled");
                if (hasRun && unlessRun)
                {
                    return true;
                }

                var containers = Directory.GetDirectories(folder);
                foreach (var container in hasRun ? [] : containers)
                {
                    Kill(container);
                }

                try
                {
                    Fail(folder, reason);
                }
                catch (IOException)
                {
                    // A full disk has no room for a word, and whoever asks must not wait for it: by the verdict alone nothing runs.
                }

                await ahead.GiveUpAsync(folder);
                foreach (var container in containers)
                {
                    File.Delete(Path.Combine(container, "staged"));
                }

                return hasRun;
            },
            cancellationToken);
    }

    private async Task LetRunAsync(string folder, Func<Task>? before, CancellationToken cancellationToken)
    {
        var members = MembersOf(folder);
        if (members.Count == 0)
        {
            throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, "nothing of the pod is staged here");
        }

        if (members.Prepend(folder).Select(FailureOf).OfType<string>().FirstOrDefault() is { } why)
        {
            throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, why.TrimEnd());
        }

        if (members.FirstOrDefault(m => Has(m, "unconfirmed")) is { } unconfirmed)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.RestoreFailed, $"container {Path.GetFileName(unconfirmed)} was restored from what may not be sealed");
        }

        foreach (var member in members.Where(m => PageGuard.AreComing(m) && !Has(m, "running")))
        {
            await guard.TakeAsync(member, cancellationToken);
        }

        if (before is not null)
        {
            if (!members.All(m => Has(m, "started")))
            {
                throw Refusal.Because(StatusCode.Unavailable, Reasons.RestoreFailed, "not every container of the pod has been started yet");
            }

            await before();
        }

        // Its word first, then the look; the handler does it the other way round, so that one of them sees both.
        Mark(folder, "go", "");
        var waiting = members.Where(m => !Has(m, "running")).ToList();
        if (waiting.Count == 0 || !members.All(m => Has(m, "started")))
        {
            return;
        }

        // Of a release that was cut off some run already. Before any other does: a pod does not run in part.
        var processes = waiting.Select(m => (Member: m, First: FirstOf(m))).ToList();
        var at = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
        foreach (var member in waiting)
        {
            // What is said afterwards needs its room before: on a full disk nothing is decided.
            Draft(member, "running", at.ToString(CultureInfo.InvariantCulture));
        }

        if (!Decide(folder, "Run"))
        {
            throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, "the restore was cancelled");
        }

        foreach (var (member, first) in processes)
        {
            // Every process: one that stays stopped would hang its peers.
            foreach (var pid in ContainerRuntime.Tree(first.Pid))
            {
                Signals.Continue(pid);
            }

            Publish(member, "running");
        }
    }

    /// <summary>A pod whose pages come later, or whose address is let go, is let run from here, and so when all its containers have
    /// been started. Nothing is held meanwhile: it may be cancelled.</summary>
    private static async Task StartedAsync(string folder, CancellationToken cancellationToken)
    {
        var members = MembersOf(folder);
        while (!members.All(m => Has(m, "started")) && !members.Prepend(folder).Any(m => FailureOf(m) is not null))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(2), cancellationToken);
        }
    }

    /// <summary>Why nothing comes of a container, or of the pod; null of what runs.</summary>
    private static string? FailureOf(string folder) => Text(folder, "failed") ?? (Has(folder, "running") ? null : Text(folder, "error"));

    /// <summary>What was restored and never ran: kubelet would run the pod's preStop hooks beside it.</summary>
    private static void Kill(string member)
    {
        if (ProcessIdentity.Read(Text(member, "pid")) is { Lives: true } first)
        {
            foreach (var pid in ContainerRuntime.Tree(first.Pid))
            {
                Signals.Kill(pid);
            }
        }
    }

    /// <exception cref="RpcException">It is gone, and with it what was restored.</exception>
    private static ProcessIdentity FirstOf(string member)
    {
        if (ProcessIdentity.Read(Text(member, "pid")) is { Lives: true } first)
        {
            return first;
        }

        var gone = $"the restored processes of container {Path.GetFileName(member)} are gone";
        Mark(member, "error", gone);
        throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, gone);
    }

    private static List<string> MembersOf(string folder) =>
        [.. (Text(folder, "members") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(m => Path.Combine(folder, m))];

    private static bool Has(string folder, string name) => File.Exists(Path.Combine(folder, name));
}
