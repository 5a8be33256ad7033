using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Restores;

/// <summary>The folder of a container that is restored here: files that the agent and the handler
/// (Handler/checkpoint-restore) write.</summary>
internal readonly record struct ContainerRestoreFolder(string FullName)
{
    /// <summary>What of an archive a restore needs.</summary>
    private static readonly string[] StagedParts =
    [
        "checkpoint",
        RootfsChanges.Tar,
        "deleted.files",
        "config.dump",
        "spec.dump",
    ];

    public PodRestoreFolder Pod => new(Path.GetDirectoryName(FullName)!);

    public string Name => Path.GetFileName(FullName);

    /// <summary>Where the agent extracts an artifact that is whole.</summary>
    public string Extracted => Path.Combine(FullName, ".extract");

    /// <summary>Where the agent extracts one that is still being written.</summary>
    public string Ahead => Path.Combine(FullName, ".ahead");

    /// <summary>By the agent: CRIU's images.</summary>
    public DirectoryInfo Images => new(Path.Combine(FullName, "checkpoint"));

    /// <summary>By the agent: options of CRIU.</summary>
    public RestoreFile CriuConfig => At("criu.conf");

    /// <summary>By the agent: the digest of what it was made over.</summary>
    public RestoreFile Image => At("image");

    /// <summary>By the agent: the artifact, when it is staged.</summary>
    public RestoreFile Staged => At("staged");

    /// <summary>By the agent: the digest of what is staged, until that is known to be what was sealed.</summary>
    public RestoreFile Unconfirmed => At("unconfirmed");

    /// <summary>By the agent: why it will not be restored.</summary>
    public RestoreFile Failed => At("failed");

    /// <summary>By both, before it is staged or restored: its processes may run
    /// before all their pages are in.</summary>
    public RestoreFile Lazy => At("lazy");

    /// <summary>By the handler: it waits for the checkpoint.</summary>
    public RestoreFile Waiting => At("waiting");

    /// <summary>By the handler: it restores, and nobody does so again.</summary>
    public RestoreFile Claimed => At("claimed");

    /// <summary>By the handler: its first process, a <see cref="ProcessIdentity"/>.</summary>
    public RestoreFile Pid => At("pid");

    /// <summary>By the handler: the process that brings pages.</summary>
    public RestoreFile LazyPid => At("lazy-pid");

    /// <summary>By the handler: the exit code of that.</summary>
    public RestoreFile Pages => At("pages");

    /// <summary>By the handler: its time is the beginning of the runtime's restore.</summary>
    public RestoreFile Begun => At("begun");

    /// <summary>By the handler: its time is the end of the runtime's restore.</summary>
    public RestoreFile Restored => At("restored");

    /// <summary>By the handler: the runtime has started it.</summary>
    public RestoreFile Started => At("started");

    /// <summary>By whoever lets its processes run: since when, in nanoseconds.</summary>
    public RestoreFile Running => At("running");

    /// <summary>By both: why it has failed.</summary>
    public RestoreFile Error => At("error");

    /// <summary>By the handler: why it has given up waiting, for as long as nothing is staged.</summary>
    public RestoreFile Late => At("late");

    /// <summary>Why nothing comes of it; null of what runs.</summary>
    public string? Failure => Failed.Text ?? (Running.Exists ? null : Error.Text);

    /// <summary>Whether its processes run, or are to, before all of their pages are in.</summary>
    public bool PagesAreComing => Lazy.Exists && LazyPid.Exists && Pages.Text?.Trim() != "0";

    /// <summary>Its first process, where that lives. Folders outlive a boot, and processes do not: a
    /// stranger may have the number.</summary>
    public ProcessIdentity? First => ProcessIdentity.Read(Pid.Text) is { Lives: true } first ? first : null;

    /// <summary>When the runtime restored it, by this node's clock.</summary>
    public (DateTime From, DateTime To)? RestoredAt =>
        new FileInfo(Restored.FullName) is { Exists: true, LastWriteTimeUtc: var to }
            // The handler of another version has written no begun.
            ? (new FileInfo(Begun.FullName) is { Exists: true, LastWriteTimeUtc: var from } ? from : to, to)
            : null;

    /// <summary>How far its restore has come.</summary>
    public ContainerRestore State()
    {
        var state = new ContainerRestore { ContainerName = Name };
        if (RestoredAt is var (from, to))
        {
            state.Phase = RestorePhases.Restored;
            state.RestoreMicroseconds = (ulong)Math.Max(0, (to - from).TotalMicroseconds);
        }
        else
        {
            state.Phase = this switch
            {
                { Claimed.Exists: true } => RestorePhases.Restoring,
                { Staged.Exists: true } => RestorePhases.Staged,
                { Waiting.Exists: true } => RestorePhases.Waiting,
                _ => Directory.Exists(FullName) ? RestorePhases.Staging : RestorePhases.Absent,
            };
        }

        if (Running.Text is { } at)
        {
            if (PagesAreComing)
            {
                // It runs, but has not come through yet: its source is still the one that is whole.
                return state;
            }

            // A power failure may leave either without its text.
            if (ProcessIdentity.Read(Pid.Text) is not { IsOfThisBoot: true } first
                || !long.TryParse(at.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var instant))
            {
                state.Phase = RestorePhases.Failed;
                state.Message =
                    "the node has booted since its processes were let run: they are gone with their memory, and the "
                        + "container begins afresh";
                return state;
            }

            state.Phase = RestorePhases.Running;
            state.RunningAt =
                new Timestamp { Seconds = instant / 1_000_000_000, Nanos = (int)(instant % 1_000_000_000) };
            state.Ended = !first.Lives;
        }
        // Late is for the time being: the next create takes what has been staged since.
        else if ((Error.Text ?? Failed.Text ?? Pod.Failed.Text ?? (Staged.Exists ? null : Late.Text)) is { } why)
        {
            state.Phase = RestorePhases.Failed;
            state.Message = why.Trim();
        }

        return state;
    }

    /// <summary>Makes it outlive a power failure that its processes ran: whoever hears of it removes the other copy,
    /// and a handler that finds nothing but the claim starts the container never again.</summary>
    /// <exception cref="RpcException">UNAVAILABLE: the disk fails.</exception>
    public void MakeDurable()
    {
        try
        {
            // What tells that they ran, which, and whether they have all their pages.
            foreach (var told in new[] { Running, Pid, Pages }.Where(f => f.Exists))
            {
                using var file = new FileStream(
                    told.FullName, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
                file.Flush(flushToDisk: true);
            }

            // The pod's and its container's may be as new.
            foreach (var parent in new[] { FullName, Pod.FullName, Path.GetDirectoryName(Pod.FullName)! })
            {
                WholeFile.SyncFolder(parent);
            }
        }
        catch (IOException exception)
        {
            throw Refusal.Because(
                StatusCode.Unavailable, Reasons.RestoreFailed,
                $"the node's disk does not take what became of the restore: {exception.Message}", exception);
        }
    }

    /// <summary>Tells the handler that waits for the checkpoint that there will be none.</summary>
    public void Fail(string reason)
    {
        Failed.Write(reason.ReplaceLineEndings(" "));
        Wake();
    }

    /// <summary>Has the handler look at once, where it waits for a word.</summary>
    public void Wake()
    {
        var pipe = Path.Combine(FullName, "wake");
        if (File.Exists(pipe))
        {
            try
            {
                // For reading, too: no handler may be there any more, and nobody waits for one.
                using var wake =
                    new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
                wake.Write("\n"u8);
            }
            catch (IOException)
            {
                // It looks by itself.
            }
        }
    }

    /// <summary>Kills what was restored, where it lives.</summary>
    public void KillProcesses()
    {
        if (First is { } first)
        {
            // All are known before one dies: the children of one that is dead have another parent.
            foreach (var pid in ProcessTree.Of(first.Pid))
            {
                Signals.Kill(pid);
            }
        }
    }

    /// <summary>Puts what was extracted in place.</summary>
    public void Take(string extracted)
    {
        foreach (var name in StagedParts)
        {
            var from = Path.Combine(extracted, name);
            var to = Path.Combine(FullName, name);
            // Of an agent that was killed here, perhaps of another artifact.
            Remove(to);
            if (Directory.Exists(from))
            {
                Directory.Move(from, to);
            }
            else if (File.Exists(from))
            {
                File.Move(from, to);
            }
        }

        Directory.Delete(extracted, recursive: true);
    }

    /// <summary>Removes what was staged, or half staged, and leaves what is told about it.</summary>
    /// <returns>How many folders went.</returns>
    public int RemoveStaged()
    {
        var folder = FullName;
        return StagedParts.Select(n => Path.Combine(folder, n)).Append(Extracted).Count(Remove);
    }

    private static bool Remove(string path)
    {
        var isFolder = PrivateFolder.Delete(path);
        File.Delete(path);
        return isFolder;
    }

    private RestoreFile At(string name) => new(Path.Combine(FullName, name));
}
