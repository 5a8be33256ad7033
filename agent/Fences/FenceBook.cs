using System.Text.Json;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Fences;

/// <summary>A fence: the pod starts no container on this node, and its dumps leave it stopped.</summary>
internal sealed record FenceRecord(string PodUid, string Holder, string TcpPolicy, DateTime FencedAt);

/// <summary>The fences of this node. Each is a file named for the pod's uid, which the fence hook looks for.</summary>
/// <remarks>
/// A holder fences a pod once. Lifting begins with a file of its own, the mark: from then on no dump begins under the
/// fence, and a late call, or one from an operator that has died since, cannot fence the pod again. A mark is kept for
/// as long as the pod is on this node. Its file is made together with the fence, under another name, and lifting only
/// renames it: that works on a full disk, too, so a pod that stands still never waits for room.
/// </remarks>
internal sealed class FenceBook(IOptions<AgentOptions> options, TimeProvider time)
{
    /// <summary>A pod that the runtime does not know may be one that it does not know yet.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromHours(1);

    private readonly string _folder = options.Value.FencesFolder;

    // The hook's pattern matches no name that begins with a dot.
    private readonly string _lifted = Path.Combine(options.Value.FencesFolder, ".lifted");
    private readonly Lock _lock = new();

    /// <summary>Since when nobody here knows a fenced pod.</summary>
    private Dictionary<string, DateTimeOffset> _unknown = [];

    /// <summary>The fence of a pod, or null.</summary>
    public FenceRecord? Find(string podUid) =>
        File.Exists(PathOf(podUid)) ? JsonSerializer.Deserialize<FenceRecord>(File.ReadAllBytes(PathOf(podUid))) : null;

    /// <summary>The uids of the pods that are fenced.</summary>
    public IReadOnlyList<string> All() => [.. Files(_folder).Select(f => Path.GetFileName(f)).Where(
        n => !n.Contains('.', StringComparison.Ordinal))];

    /// <summary>How long the oldest fence has stood; nothing where there is none.</summary>
    public TimeSpan OldestAge()
    {
        var now = time.GetUtcNow().UtcDateTime;
        // One may be lifted while they are looked through.
        lock (_lock)
        {
            return All()
                .Select(uid => now - Find(uid)!.FencedAt)
                .Where(age => age > TimeSpan.Zero)
                .DefaultIfEmpty(TimeSpan.Zero)
                .Max();
        }
    }

    /// <summary>The fence that a dump is made under, or null.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="holder">The migration that asks for the dump; empty where none does.</param>
    /// <exception cref="RpcException">It is being lifted: whoever does so has seen no dump, and would leave the
    /// processes as this one stops them. Or it is not the caller's.</exception>
    public FenceRecord? FindForDump(string podUid, string holder)
    {
        lock (_lock)
        {
            var fence = Find(podUid);
            if ((fence?.Holder ?? "") != holder)
            {
                // A dump that no migration asks for would stop the pod, and be in the way
                // of its way back; afterwards it may.
                throw holder.Length == 0
                    ? Refusal.Because(
                        StatusCode.Unavailable, Reasons.MigrationInProgress, "a migration of this pod is under way")
                    : Refusal.Because(
                        StatusCode.FailedPrecondition, Reasons.CheckpointFailed,
                        "the migration that asks for the dump holds no fence of the pod");
            }

            return fence is not null && IsLifted(podUid, fence.Holder)
                ? throw Refusal.Because(
                    StatusCode.FailedPrecondition, Reasons.CheckpointFailed, "the pod's fence is being lifted")
                : fence;
        }
    }

    /// <summary>Lifts a holder's fence, or makes sure that it can never be set. From the start of the call no dump
    /// begins under it; when the call returns, it is gone.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="holder">Who has it, or was about to.</param>
    /// <param name="thaw">Continues the processes, tells of which containers before it does so, and at the end how many
    /// processes; called where there is a fence. Where it fails, the fence stands.</param>
    /// <returns>How many processes this call has continued; and the containers that were told of until the fence was
    /// lifted, by this call or by one before: null where there was none, or the disk was full then.</returns>
    /// <exception cref="RpcException">Another holder has it.</exception>
    public async Task<(int Processes, IReadOnlyList<string>? Containers)> LiftAsync(
        string podUid, string holder, Func<Action<IEnumerable<string>>, Task<int>> thaw)
    {
        lock (_lock)
        {
            MarkLifted(podUid, holder);
            if (Find(podUid) is not { } fence)
            {
                return (0, Continued(podUid, holder));
            }

            if (fence.Holder != holder)
            {
                throw Refusal.Because(
                    StatusCode.FailedPrecondition, Reasons.MigrationInProgress, "another migration holds this fence");
            }
        }

        // Processes first, the fence last: killed in between, the next call continues them again, which is harmless.
        IReadOnlyList<string> continued = [];
        var processes = await thaw(containers => continued = Note(podUid, holder, [.. continued, .. containers]));
        lock (_lock)
        {
            continued = Note(podUid, holder, continued);
            // Another call may have lifted it meanwhile, and another migration fenced the pod.
            if (Find(podUid)?.Holder == holder)
            {
                File.Delete(PathOf(podUid));
            }
        }

        return (processes, continued);
    }

    /// <summary>Fences a pod for a holder; again for the same holder changes nothing.</summary>
    /// <exception cref="RpcException">Another holder has it, or this one has lifted it.</exception>
    public FenceRecord Fence(string podUid, string holder, string tcpPolicy)
    {
        lock (_lock)
        {
            if (IsLifted(podUid, holder))
            {
                throw Refusal.Because(
                    StatusCode.FailedPrecondition, Reasons.CheckpointFailed,
                    "the migration has lifted its fence of the pod");
            }

            if (Find(podUid) is { } standing)
            {
                return standing.Holder == holder ? standing
                    : IsLifted(podUid, standing.Holder)
                        ? throw Refusal.Because(
                            StatusCode.Unavailable, Reasons.MigrationInProgress, "the pod's fence is being lifted")
                        : throw Refusal.Because(
                            StatusCode.AlreadyExists, Reasons.MigrationInProgress,
                            "another migration of this pod is under way");
            }

            WholeFile.MakeFolder(_lifted);
            // Not synced: where it is lost the mark is written.
            File.WriteAllBytes(SpareOf(podUid, holder), []);
            var record = new FenceRecord(podUid, holder, tcpPolicy, time.GetUtcNow().UtcDateTime);
            // The hook skips names with a dot: the fence is there whole, or not at all, and from the answer on also
            // after a power failure.
            WholeFile.Write(PathOf(podUid), JsonSerializer.SerializeToUtf8Bytes(record));
            return record;
        }
    }

    /// <summary>Forgets what concerns no pod of this node any more. Fences stay for as long as the runtime or kubelet
    /// knows the pod, for whether one is needed only its holder knows; nobody lifts those of a node
    /// that was given up as lost.</summary>
    /// <param name="pods">Uids of the pods that the runtime has.</param>
    /// <returns>How many marks and fences went.</returns>
    public int Sweep(IReadOnlySet<string> pods)
    {
        lock (_lock)
        {
            var now = time.GetUtcNow();
            // A boot may take all sandboxes; kubelet's folder of the pod tells that it is to start again.
            _unknown = All()
                .Where(uid => !pods.Contains(uid) && !Directory.Exists(Path.Combine(options.Value.KubeletPods, uid)))
                .ToDictionary(uid => uid, uid => _unknown.GetValueOrDefault(uid, now));
            var forgotten =
                _unknown.Where(u => now - u.Value >= Late).Select(u => Path.Combine(_folder, u.Key)).ToList();
            forgotten.ForEach(File.Delete);
            var old = Files(_lifted)
                .Where(f => IsOld(f) && !pods.Contains(PodOf(f)) && !File.Exists(PathOf(PodOf(f))))
                .ToList();
            old.ForEach(File.Delete);
            Files(_folder)
                .Where(f => f.EndsWith(".partial", StringComparison.Ordinal) && IsOld(f))
                .ToList()
                .ForEach(File.Delete);
            return forgotten.Count + old.Count;
        }
    }

    private static string PodOf(string mark) => Path.GetFileName(mark).Split('.')[0];

    private static string[] Files(string folder) => Directory.Exists(folder) ? Directory.GetFiles(folder) : [];

    private bool IsOld(string file) => time.GetUtcNow() - File.GetLastWriteTimeUtc(file) > Late;

    private bool IsLifted(string podUid, string holder) => File.Exists(MarkOf(podUid, holder));

    private void MarkLifted(string podUid, string holder)
    {
        if (IsLifted(podUid, holder))
        {
            return;
        }

        if (File.Exists(SpareOf(podUid, holder)))
        {
            WholeFile.Move(SpareOf(podUid, holder), MarkOf(podUid, holder));
            // It is as old as the fence; what counts is when that was lifted. Needs no room.
            File.SetLastWriteTimeUtc(MarkOf(podUid, holder), time.GetUtcNow().UtcDateTime);
            return;
        }

        WholeFile.MakeFolder(_lifted);
        WholeFile.Write(MarkOf(podUid, holder), []);
    }

    private IReadOnlyList<string>? Continued(string podUid, string holder) =>
        File.ReadAllBytes(MarkOf(podUid, holder)) is { Length: > 0 } names
            ? JsonSerializer.Deserialize<string[]>(names)
            : null;

    /// <summary>Adds to what is written down: what has been continued may end by itself before the next call.</summary>
    /// <returns>All that is known then.</returns>
    private IReadOnlyList<string> Note(string podUid, string holder, IReadOnlyList<string> continued)
    {
        lock (_lock)
        {
            var known = Continued(podUid, holder);
            // What starts when another call has lifted the fence begins afresh.
            if (known is not null && (Find(podUid)?.Holder != holder || continued.All(known.Contains)))
            {
                return known;
            }

            string[] all = [.. continued.Union(known ?? [])];
            try
            {
                WholeFile.Write(MarkOf(podUid, holder), JsonSerializer.SerializeToUtf8Bytes(all));
                File.SetLastWriteTimeUtc(MarkOf(podUid, holder), time.GetUtcNow().UtcDateTime);
            }
            catch (IOException)
            {
                // No room. A pod must not wait for that: only a call whose answer is lost would have needed it.
            }

            return all;
        }
    }

    private string PathOf(string podUid) => Path.Combine(_folder, Field.Name("pod_uid", podUid));

    private string SpareOf(string podUid, string holder) => MarkOf(podUid, holder) + ".spare";

    private string MarkOf(string podUid, string holder) =>
        Path.Combine(_lifted, $"{Field.Name("pod_uid", podUid)}.{Field.Name("holder", holder)}");
}
