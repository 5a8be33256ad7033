using Grpc.Core;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Restores;

/// <summary>The folder of a pod that is restored here: files that the agent and the handler
/// (Handler/checkpoint-restore) write.</summary>
internal readonly record struct PodRestoreFolder(string FullName)
{
    /// <summary>The verdict that its processes run.</summary>
    public const string Run = "Run";

    /// <summary>The verdict that they never will.</summary>
    public const string Cancelled = "Cancelled";

    /// <summary>A pod's.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: that is no uid.</exception>
    public static PodRestoreFolder Of(AgentOptions options, string podUid) =>
        new(Path.Combine(options.RestoresFolder, Field.Name("pod_uid", podUid)));

    /// <summary>Of all pods that have one. The handler's own records begin with a dot.</summary>
    public static List<PodRestoreFolder> All(AgentOptions options) => [.. Below(options.RestoresFolder).Select(
        f => new PodRestoreFolder(f))];

    public string PodUid => Path.GetFileName(FullName);

    /// <summary>By the agent: the names of all containers that are restored.</summary>
    public RestoreFile Members => At("members");

    /// <summary>By the agent: they may run.</summary>
    public RestoreFile Go => At("go");

    /// <summary>By the agent: why none of them will be restored.</summary>
    public RestoreFile Failed => At("failed");

    /// <summary>By the agent: where a volume's content came from.</summary>
    public RestoreFile Volume(string name) => At($"volume.{name}");

    /// <summary>Where a container of it is restored.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: that is no container's name.</exception>
    public ContainerRestoreFolder Of(string container) =>
        new(Path.Combine(FullName, Field.Name("container_name", container)));

    /// <summary>The containers that have a folder. What else begins with a dot is the agent's own.</summary>
    public List<ContainerRestoreFolder> Containers => [.. Below(FullName).Select(f => new ContainerRestoreFolder(f))];

    /// <summary>The containers that are restored.</summary>
    public List<ContainerRestoreFolder> ReadMembers()
    {
        var pod = FullName;
        return [.. (Members.Text ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(
            m => new ContainerRestoreFolder(Path.Combine(pod, m)))];
    }

    /// <summary>By both: whether its restored processes run is decided once, by whoever writes it first.</summary>
    /// <returns>Whether it is as asked.</returns>
    public bool Decide(string verdict)
    {
        var link = new FileInfo(Path.Combine(FullName, "verdict"));
        try
        {
            // A link appears whole, and only once. No container is called so.
            File.CreateSymbolicLink(link.FullName, verdict);
            return true;
        }
        catch (IOException) when ((link.LinkTarget ?? (link.Exists ? Run : null)) is { } first)
        {
            // A file is the handler's.
            return first == verdict;
        }
    }

    /// <summary>Tells the handlers that wait for the pod's checkpoint that there will be none.</summary>
    public void Fail(string reason)
    {
        Failed.Write(reason.ReplaceLineEndings(" "));
        foreach (var container in Containers)
        {
            container.Wake();
        }
    }

    private static IEnumerable<string> Below(string folder) =>
        Directory.Exists(folder) ? Directory.GetDirectories(folder).Where(f => Path.GetFileName(f)[0] != '.') : [];

    private RestoreFile At(string name) => new(Path.Combine(FullName, name));
}
