using System.Text.Json;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Fences;

/// <summary>A fence: the pod starts no container on this node, and its dumps leave it stopped.</summary>
internal sealed record FenceRecord(string PodUid, string Holder, string TcpPolicy, DateTime FencedAt);

/// <summary>The fences of this node. Each is a file named for the pod's uid, which the fence hook looks for.</summary>
internal sealed class FenceBook(IOptions<AgentOptions> options, TimeProvider time)
{
    private readonly string _folder = options.Value.FencesFolder;
    private readonly Lock _lock = new();
    private readonly HashSet<string> _lifting = [];

    /// <summary>The fence of a pod, or null.</summary>
    public FenceRecord? Find(string podUid) =>
        File.Exists(PathOf(podUid)) ? JsonSerializer.Deserialize<FenceRecord>(File.ReadAllBytes(PathOf(podUid))) : null;

    /// <summary>The fence that a dump is made under, or null.</summary>
    /// <exception cref="RpcException">It is just being lifted: whoever does so has seen no dump, and would leave the
    /// processes as this one stops them.</exception>
    public FenceRecord? FindForDump(string podUid)
    {
        lock (_lock)
        {
            return _lifting.Contains(podUid)
                ? throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.CheckpointFailed, "the pod's fence is being lifted")
                : Find(podUid);
        }
    }

    /// <summary>Lifts a fence: from the first word on no dump begins under it; at the end it is gone.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="thaw">Continues the processes. Where it fails, the fence stands.</param>
    public async Task LiftAsync(string podUid, Func<Task> thaw)
    {
        lock (_lock)
        {
            _lifting.Add(podUid);
        }

        try
        {
            // Processes first, the fence last: killed in between, the next call continues them again, which is harmless.
            await thaw();
            Remove(podUid);
        }
        finally
        {
            lock (_lock)
            {
                _lifting.Remove(podUid);
            }
        }
    }

    /// <summary>Fences a pod for a holder; again for the same holder changes nothing.</summary>
    /// <exception cref="RpcException">Another holder has it.</exception>
    public FenceRecord Fence(string podUid, string holder, string tcpPolicy)
    {
        lock (_lock)
        {
            if (_lifting.Contains(podUid))
            {
                throw Refusal.Because(StatusCode.Unavailable, Reasons.MigrationInProgress, "the pod's fence is being lifted");
            }

            if (Find(podUid) is { } standing)
            {
                return standing.Holder == holder
                    ? standing
                    : throw Refusal.Because(
                        StatusCode.AlreadyExists, Reasons.MigrationInProgress, "another migration of this pod is under way");
            }

            Directory.CreateDirectory(_folder);
            var record = new FenceRecord(podUid, holder, tcpPolicy, time.GetUtcNow().UtcDateTime);
            // The hook skips names with a dot: the fence is there whole, or not at all.
            var partial = PathOf(podUid) + ".partial";
            using (var file = new FileStream(partial, FileMode.Create))
            {
                JsonSerializer.Serialize(file, record);
                file.Flush(flushToDisk: true);
            }

            File.Move(partial, PathOf(podUid), overwrite: true);
            return record;
        }
    }

    /// <summary>Takes a fence away; none is no error.</summary>
    public void Remove(string podUid)
    {
        lock (_lock)
        {
            File.Delete(PathOf(podUid));
        }
    }

    private string PathOf(string podUid) =>
        podUid.Length is > 0 and < 64 && podUid.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
            ? Path.Combine(_folder, podUid)
            : throw Refusal.Because(StatusCode.InvalidArgument, "InvalidArgument", $"pod_uid \"{podUid}\" is not a uid");
}
