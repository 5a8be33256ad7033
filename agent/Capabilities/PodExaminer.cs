using System.Globalization;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Capabilities;

/// <summary>Looks at a running pod, and changes nothing: how much there is to dump,
/// and what CRIU cannot dump.</summary>
/// <remarks>The pod runs on meanwhile: processes and files that go while they are looked at
/// are no longer in the way.</remarks>
internal sealed class PodExaminer(ContainerRuntime runtime, VolumeContent volumes, IOptions<AgentOptions> options)
{
    /// <summary>CRIU's own limit to deleted files, where its configuration names none.</summary>
    internal const long DefaultGhostLimit = 1 << 20;

    private const string GhostLimit = "ghost-limit";

    public async Task<PodExamination> ExamineAsync(
        string podUid, IEnumerable<string> volumeNames, CancellationToken cancellationToken)
    {
        var found = new PodExamination();
        var ghostLimit = GhostLimitIn(File.Exists(options.Value.CriuConfig)
            ? await File.ReadAllLinesAsync(options.Value.CriuConfig, cancellationToken)
            : []);
        foreach (var container in await runtime.ContainersAsync(podUid, cancellationToken))
        {
            if (container.CriuConfig is { } named)
            {
                found.Obstacles.Add(
                    $"container {container.Name} was created with the annotation {WellKnown.CriuConfig}: {named}, "
                        + "and CRIU would take its options from there; create the pod without it");
            }

            if (ContainerRuntime
                .MakerOf(container.Id, options.Value.NodeRoot) is { Length: > 0 } maker and not NodeFacts.Runtime)
            {
                found.Obstacles.Add(
                    $"container {container.Name} was made by {maker}, and a dump leaves only those of crun stopped; "
                        + "make crun the node's default runtime, and create the pod anew");
            }

            if (container.LacksHook)
            {
                found.Obstacles.Add(
                    $"container {container.Name} was made without the fence hook, and its pod's runtime handler "
                        + "could start it again beside the pod's copy; have the handler's base_runtime_spec in "
                        + "containerd's configuration name checkpoint-fence, restart containerd, and create the pod "
                        + "anew");
            }

            var pids = ProcessTree.Of(container.Pid);
            found.MemoryBytes += ProcessMemory.Of(pids);
            found.ConnectedSockets += (uint)ConnectedSockets.Of(pids).Count;
            found.Obstacles.AddRange(Obstacles(container.Name, pids, ghostLimit));
        }

        foreach (var volume in volumeNames)
        {
            var (bytes, isInMemory) = await volumes.WeighAsync(podUid, volume, cancellationToken);
            found.VolumeBytes += (ulong)bytes;
            if (isInMemory)
            {
                // One after the other is laid on the target's disk.
                found.LargestMemoryVolumeBytes = Math.Max(found.LargestMemoryVolumeBytes, (ulong)bytes);
            }
        }

        return found;
    }

    /// <summary>What of a container's processes CRIU cannot dump; the like of it is told
    /// once, of the first process.</summary>
    internal static IEnumerable<string> Obstacles(string container, IEnumerable<int> pids, long ghostLimit) =>
        from pid in pids
        from obstacle in OfTracer(pid).Concat(OpenFiles.Obstacles(pid, ghostLimit))
        group (pid, obstacle.Message) by obstacle.Kind into like
        let first = like.First()
        let others = like.Select(l => l.pid).Distinct().Count() - 1
        select $"process {first.pid} ({NameOf(first.pid)}) of container {container}{(others == 0 ? "" : $", and {others} more,")} {first.Message}";

    /// <summary>The limit to deleted files in lines of CRIU's configuration (criu(8)): a number,
    /// with K, M or G behind it.</summary>
    internal static long GhostLimitIn(IEnumerable<string> configuration)
    {
        var limit = DefaultGhostLimit;
        foreach (var words in configuration.Select(
            line => line.Split('#')[0].Split([' ', '\t', '='], StringSplitOptions.RemoveEmptyEntries)))
        {
            if (words is [GhostLimit, { Length: > 0 } value])
            {
                var shift = "KMG".IndexOf(char.ToUpperInvariant(value[^1]), StringComparison.Ordinal) + 1;
                limit = long.TryParse(shift > 0 ? value[..^1] : value, CultureInfo.InvariantCulture, out var number)
                    ? number << (10 * shift)
                    : limit;
            }
        }

        return limit;
    }

    private static IEnumerable<(string Kind, string Message)> OfTracer(int pid)
    {
        const string tracer = "TracerPid:";
        var line = Lines(pid, "status").FirstOrDefault(l => l.StartsWith(tracer, StringComparison.Ordinal));
        if (line?[tracer.Length..].Trim() is { } by and not "0")
        {
            yield return (
                "traced", $"is traced by process {by}, and CRIU could not take it over; end the debugger or strace");
        }
    }

    private static string NameOf(int pid) => string.Concat(Lines(pid, "comm"));

    private static string[] Lines(int pid, string name)
    {
        try
        {
            return Proc.Lines(pid, name);
        }
        catch (UnauthorizedAccessException)
        {
            // CRIU, which is among the node's programs, will tell.
            return [];
        }
    }
}
