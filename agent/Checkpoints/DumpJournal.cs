using System.Globalization;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>The dumps that were asked for and whose end is not known: a file each, written
/// before kubelet is called.</summary>
/// <remarks>
/// kubelet's dump does not end with its caller: the archive of an agent that was killed, or of a call that timed out,
/// is written all the same. To dump a second time would be wrong, and can hang: CRIU waits for ever for a process that
/// is stopped already. So the archive of the first one is looked for.
/// </remarks>
internal sealed class DumpJournal(IOptions<AgentOptions> options, TimeProvider time)
{
    /// <summary>An archive that grows no more for so long is whole, or never will be.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(1);

    /// <summary>How long a container has run as usual when its dump is not expected any more.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(3);

    /// <summary>How long one call waits for an archive that does not come, though the
    /// container does not run as usual.</summary>
    private static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(150);

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);
    private readonly string _folder = Path.Combine(options.Value.StateRoot, "dumps");

    /// <summary>When this very checkpoint's dump was begun, if nobody has seen it end. Another checkpoint's archive is
    /// never looked for: the container may have gone on since.</summary>
    public DateTime? Pending(CheckpointRequest request) =>
        DumpEntry.Read(PathOf(request)) is { } entry && entry.CheckpointId == request.CheckpointId ? entry.Since : null;

    /// <summary>Whether the end of any dump of a pod is not known.</summary>
    public bool AnyPending(string podUid) =>
        Directory.Exists(_folder) && Directory.EnumerateFiles(_folder, $"{Path.GetFileName(podUid)}.*").Any();

    /// <summary>Forgets a pod's dumps, and removes what they have left on this node.</summary>
    public void Forget(string podUid)
    {
        foreach (var file in Files($"{Path.GetFileName(podUid)}.*"))
        {
            Discard(file);
        }
    }

    /// <summary>Removes what the dumps of one checkpoint have left on this node. That their
    /// ends are not known stays.</summary>
    public void RemoveArchives(string podUid, string checkpointId)
    {
        foreach (var file in Files($"{Path.GetFileName(podUid)}.*").Where(
            f => DumpEntry.Read(f)?.CheckpointId == checkpointId))
        {
            RemoveArchives(file);
        }
    }

    /// <summary>Forgets dumps of long ago, of which nobody wants anything any more, and
    /// removes what they have left.</summary>
    /// <returns>How many.</returns>
    public int Sweep(TimeSpan age)
    {
        var old = Files("*").Where(f => time.GetUtcNow() - File.GetLastWriteTimeUtc(f) > age).ToList();
        old.ForEach(Discard);
        return old.Count;
    }

    /// <summary>Notes that kubelet is about to be called.</summary>
    public DateTime Begin(CheckpointRequest request)
    {
        Directory.CreateDirectory(_folder);
        var path = PathOf(request);
        if (File.Exists(path))
        {
            // Of another checkpoint, which nobody goes on with.
            Discard(path);
        }

        var now = time.GetUtcNow().UtcDateTime;
        File.WriteAllText(
            path + ".partial",
            new DumpEntry(request.CheckpointId, now, request.PodNamespace, request.PodName).ToString());
        File.Move(path + ".partial", path, overwrite: true);
        return now;
    }

    /// <summary>Notes that nothing has come of a dump, and removes what it has left.</summary>
    public void Discard(CheckpointRequest request) => Discard(PathOf(request));

    /// <summary>Notes that the dump has ended: its archive is stored, or there is none.</summary>
    public void End(CheckpointRequest request) => File.Delete(PathOf(request));

    /// <summary>The archive of a dump whose call was lost, when it is written to its end.</summary>
    /// <param name="request">The dump.</param>
    /// <param name="since">When it was begun.</param>
    /// <param name="goesOn">Whether the dump may still be under way.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The path; null when no archive came.</returns>
    public async Task<string?> FindArchiveAsync(
        CheckpointRequest request, DateTime since, Func<bool> goesOn, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var rested = began;
        (string? Path, long Size, long At) last = (null, -1, began);
        while (true)
        {
            var newest = Newest(request, since);
            if (newest?.FullName != last.Path || newest?.Length != last.Size)
            {
                last = (newest?.FullName, newest?.Length ?? -1, time.GetTimestamp());
            }

            var quiet = time.GetElapsedTime(last.At);
            if (last.Path is not null && quiet >= Settled)
            {
                return last.Path;
            }

            if (goesOn())
            {
                rested = time.GetTimestamp();
            }

            if (last.Path is null && (time.GetElapsedTime(rested) >= Rest || time.GetElapsedTime(began) >= MaxWait))
            {
                return null;
            }

            await Task.Delay(PollInterval, time, cancellationToken);
        }
    }

    /// <summary>Whether a file is an archive of a container:
    /// <c>checkpoint-&lt;pod&gt;_&lt;namespace&gt;-&lt;container&gt;-&lt;RFC 3339&gt;.tar</c>.</summary>
    public static bool IsArchiveOf(CheckpointRequest request, string file) =>
        // A container's name may go on behind another's.
        file.StartsWith(NameOf(request), StringComparison.Ordinal) && file.EndsWith(".tar", StringComparison.Ordinal)
        && DateTime.TryParse(
            file[NameOf(request).Length..^4], CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out _);

    private void Discard(string path)
    {
        RemoveArchives(path);
        File.Delete(path);
    }

    /// <summary>Removes the archives of an entry's container whose names and times are of that dump: kubelet never
    /// removes any. Others may have had the container dumped, before or since.</summary>
    private void RemoveArchives(string path)
    {
        if (DumpEntry.Read(path) is { } entry)
        {
            var request = new CheckpointRequest
            {
                PodNamespace = entry.PodNamespace,
                PodName = entry.PodName, ContainerName = Path.GetExtension(path).TrimStart('.'),
            };
            foreach (var archive in Archives(request, entry.Since)
                .Where(f => MadeAt(request, f.Name) <= entry.Since + MaxWait)
                .ToList())
            {
                archive.Delete();
            }
        }
    }

    private string[] Files(string pattern) => Directory.Exists(_folder) ? Directory.GetFiles(_folder, pattern) : [];

    private static DateTime MadeAt(CheckpointRequest request, string archive) =>
        DateTimeOffset.Parse(archive[NameOf(request).Length..^4], CultureInfo.InvariantCulture).UtcDateTime;

    private FileInfo? Newest(CheckpointRequest request, DateTime since) =>
        Archives(request, since).MaxBy(f => f.LastWriteTimeUtc);

    private IEnumerable<FileInfo> Archives(CheckpointRequest request, DateTime since)
    {
        var folder = new DirectoryInfo(options.Value.KubeletDirectory);
        // The name's time has whole seconds: the file's own time tells.
        return !folder.Exists
            ? []
            : folder.EnumerateFiles(NameOf(request) + "*.tar")
                .Where(f => f.LastWriteTimeUtc >= since && IsArchiveOf(request, f.Name));
    }

    private static string NameOf(CheckpointRequest request) =>
        $"checkpoint-{request.PodName}_{request.PodNamespace}-{request.ContainerName}-";

    private string PathOf(CheckpointRequest request) =>
        Path.Combine(_folder, $"{Path.GetFileName(request.PodUid)}.{Path.GetFileName(request.ContainerName)}");

    /// <summary>What an entry says.</summary>
    private sealed record DumpEntry(string CheckpointId, DateTime Since, string PodNamespace, string PodName)
    {
        /// <summary>Null where there is none, or none that was written whole.</summary>
        public static DumpEntry? Read(string path) =>
            File.Exists(path) && File.ReadAllText(path).Split(' ') is [var id, var at, var podNamespace, var podName]
            && DateTime.TryParse(at, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var since)
                ? new DumpEntry(id, since, podNamespace, podName)
                : null;

        /// <summary>As it is written down.</summary>
        public override string ToString() =>
            $"{CheckpointId} {Since.ToString("O", CultureInfo.InvariantCulture)} {PodNamespace} {PodName}";
    }
}
