using System.Globalization;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Restores;

/// <summary>The folder of a container that is restored here, or of its pod: files that the agent and the handler write.</summary>
internal static class RestoreFolder
{
    /// <summary>What tells that a container's processes ran, which, and whether they have all their pages.</summary>
    private static readonly string[] Outcome = ["running", "pid", "pages"];

    /// <summary>Keeps what is restored from every other user of the node, also where an agent before this one has not.</summary>
    public static void Guard(AgentOptions options)
    {
        const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(options.StateRoot);
        Directory.CreateDirectory(options.RestoresFolder, Own);
        File.SetUnixFileMode(options.RestoresFolder, Own);
    }

    /// <summary>Where a container is restored.</summary>
    public static string Of(IOptions<AgentOptions> options, string podUid, string container)
    {
        foreach (var part in new[] { podUid, container })
        {
            if (part.Length is 0 or > 63 || !part.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))
            {
                throw Refusal.Because(StatusCode.InvalidArgument, "InvalidArgument", $"\"{part}\" is no uid or container name");
            }
        }

        return Path.Combine(options.Value.RestoresFolder, podUid, container);
    }

    /// <summary>Where a pod's containers are restored.</summary>
    public static string OfPod(IOptions<AgentOptions> options, string podUid) => Path.GetDirectoryName(Of(options, podUid, "any"))!;

    /// <summary>How far the restore of a container has come.</summary>
    public static ContainerRestore StateOf(string folder, string container)
    {
        var state = new ContainerRestore { ContainerName = container, Phase = "Absent" };
        if (RestoredAt(folder) is var (from, to))
        {
            state.Phase = "Restored";
            state.RestoreMicroseconds = (ulong)Math.Max(0, (to - from).TotalMicroseconds);
        }
        else if (Text(folder, "claimed") is not null)
        {
            state.Phase = "Restoring";
        }
        else if (Text(folder, "staged") is not null)
        {
            state.Phase = "Staged";
        }
        else if (Text(folder, "waiting") is not null)
        {
            state.Phase = "Waiting";
        }
        else if (Directory.Exists(folder))
        {
            state.Phase = "Staging";
        }

        if (Text(folder, "running") is { } at)
        {
            if (PageGuard.AreComing(folder))
            {
                // It runs, but has not come through yet: its source is still the one that is whole.
                return state;
            }

            // A power failure may leave either without its text.
            if (ProcessIdentity.Read(Text(folder, "pid")) is not { IsOfThisBoot: true } first
                || !long.TryParse(at.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var instant))
            {
                state.Phase = "Failed";
                state.Message = "the node has booted since its processes were let run: they are gone with their memory, and the container begins afresh";
                return state;
            }

            state.Phase = "Running";
            state.RunningAt = new Timestamp { Seconds = instant / 1_000_000_000, Nanos = (int)(instant % 1_000_000_000) };
            state.Ended = !first.Lives;
        }
        else if ((Text(folder, "error") ?? Text(folder, "failed") ?? Text(Path.GetDirectoryName(folder)!, "failed")
            // For the time being: the next create takes what has been staged since.
            ?? (Text(folder, "staged") is null ? Text(folder, "late") : null)) is { } why)
        {
            state.Phase = "Failed";
            state.Message = why.Trim();
        }

        return state;
    }

    /// <summary>When the runtime restored it, by this node's clock.</summary>
    public static (DateTime From, DateTime To)? RestoredAt(string folder) =>
        new FileInfo(Path.Combine(folder, "restored")) is { Exists: true, LastWriteTimeUtc: var to }
            // The handler of another version has written no begun.
            ? (new FileInfo(Path.Combine(folder, "begun")) is { Exists: true, LastWriteTimeUtc: var from } ? from : to, to)
            : null;

    /// <summary>Whether a pod's restored processes run is decided once, by whoever writes it first: the agent or the handler.</summary>
    /// <returns>Whether it is as asked.</returns>
    public static bool Decide(string folder, string verdict)
    {
        var link = new FileInfo(Path.Combine(folder, "verdict"));
        try
        {
            // A link appears whole, and only once. No container is called so.
            File.CreateSymbolicLink(link.FullName, verdict);
            return true;
        }
        catch (IOException) when ((link.LinkTarget ?? (File.Exists(link.FullName) ? "Run" : null)) is { } first)
        {
            // A file is the handler's.
            return first == verdict;
        }
    }

    /// <summary>Makes a folder anew, for memory of processes: for nobody else.</summary>
    public static string MakeEmpty(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return folder;
    }

    /// <summary>Makes it outlive a power failure that a container's processes ran: whoever hears of it removes the other copy, and
    /// a handler that finds nothing but the claim starts the container never again.</summary>
    /// <exception cref="RpcException">UNAVAILABLE: the disk fails.</exception>
    public static void MakeDurable(string folder)
    {
        try
        {
            foreach (var path in Outcome.Select(n => Path.Combine(folder, n)).Where(File.Exists))
            {
                using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
                file.Flush(flushToDisk: true);
            }

            // The pod's and its container's may be as new.
            foreach (var parent in new[] { folder, Path.GetDirectoryName(folder)!, Path.GetDirectoryName(Path.GetDirectoryName(folder))! })
            {
                WholeFile.SyncFolder(parent);
            }
        }
        catch (IOException exception)
        {
            throw Refusal.Because(
                StatusCode.Unavailable, Reasons.RestoreFailed, $"the node's disk does not take what became of the restore: {exception.Message}", exception);
        }
    }

    public static string? Text(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        return File.Exists(path) ? File.ReadAllText(path) : null;
    }

    /// <summary>Tells the handlers that wait for the checkpoint of a container, or of its whole pod, that there will be none.</summary>
    public static void Fail(string folder, string reason)
    {
        Mark(folder, "failed", reason.ReplaceLineEndings(" "));
        foreach (var waiting in Directory.GetDirectories(folder).Prepend(folder))
        {
            Wake(waiting);
        }
    }

    /// <summary>Has the handler look at once, where it waits for a word.</summary>
    public static void Wake(string folder)
    {
        var pipe = Path.Combine(folder, "wake");
        if (File.Exists(pipe))
        {
            try
            {
                // For reading, too: no handler may be there any more, and nobody waits for one.
                using var wake = new FileStream(pipe, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
                wake.Write("\n"u8);
            }
            catch (IOException)
            {
                // It looks by itself.
            }
        }
    }

    public static void Mark(string folder, string name, string text)
    {
        Draft(folder, name, text);
        Publish(folder, name);
    }

    /// <summary>What <see cref="Publish"/> shows, which then needs no more room on the disk.</summary>
    public static void Draft(string folder, string name, string text) => File.WriteAllText(Path.Combine(folder, name + ".partial"), text + "\n");

    public static void Publish(string folder, string name) =>
        File.Move(Path.Combine(folder, name + ".partial"), Path.Combine(folder, name), overwrite: true);
}
