using System.Globalization;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using PodCheckpointing.Api.V1;
using Runtime.V1;

namespace PodCheckpointing.Agent.Runtimes;

/// <summary>One running container.</summary>
/// <param name="Id">Its id in the runtime.</param>
/// <param name="Name">Its name in the pod.</param>
/// <param name="Pid">Its first process.</param>
/// <param name="Image">The image, as the pod names it.</param>
/// <param name="ImageId">The image, by digest.</param>
/// <param name="CriuConfig">The file that the container itself names for CRIU's options; null where it names none.</param>
/// <param name="LacksHook">Whether the runtime has made it without the fence hook, and would make it so again.</param>
internal sealed record RunningContainer(string Id, string Name, int Pid, string Image, string ImageId, string? CriuConfig, bool LacksHook);

/// <summary>What the agent asks the container runtime (CRI) and the kernel about pods.</summary>
internal sealed class ContainerRuntime(GrpcChannel channel)
{
    private const string Service = "/runtime.v1.RuntimeService/";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <summary>The uids of all pods that the runtime has a sandbox of.</summary>
    public async Task<IReadOnlySet<string>> PodUidsAsync(CancellationToken cancellationToken) =>
        (await AskAsync(Service + "ListPodSandbox", new ListPodSandboxRequest(), ListPodSandboxResponse.Parser, cancellationToken))
        .Items.Select(s => s.Metadata.Uid).ToHashSet();

    /// <summary>How many containers of a pod the runtime has whose processes may live.</summary>
    public async Task<int> CountLiveAsync(string podUid, CancellationToken cancellationToken) =>
        (await ListAsync(podUid, cancellationToken)).Count(c => c.State != ContainerState.ContainerExited);

    /// <summary>The running containers of a pod.</summary>
    public async Task<IReadOnlyList<RunningContainer>> ContainersAsync(string podUid, CancellationToken cancellationToken)
    {
        var result = new List<RunningContainer>();
        foreach (var container in (await ListAsync(podUid, cancellationToken)).Where(c => c.State == ContainerState.ContainerRunning))
        {
            var status = await FindAsync(
                Service + "ContainerStatus",
                new ContainerStatusRequest { ContainerId = container.Id, Verbose = true },
                ContainerStatusResponse.Parser,
                cancellationToken);
            // One that has ended since it was listed has the pid 0, or is not there any more.
            if (status?.Status.State == ContainerState.ContainerRunning && status.Info.TryGetValue("info", out var text))
            {
                using var info = JsonDocument.Parse(text);
                if (info.RootElement.TryGetProperty("pid", out var pid) && pid.GetInt32() > 0)
                {
                    result.Add(new RunningContainer(
                        container.Id, container.Metadata.Name, pid.GetInt32(), status.Status.Image.Image, status.Status.ImageRef,
                        CriuConfigIn(info.RootElement), LacksHook(info.RootElement)));
                }
            }
        }

        return result;
    }

    /// <summary>Which OCI runtime has made a container, by the state that it keeps; empty where none is found.</summary>
    internal static string MakerOf(string id, string root)
    {
        string[] folders = [$"{root}/run/crun/{id}", $"{root}/run/runc/{id}", $"{root}/run/containerd/runc/k8s.io/{id}"];
        return folders.Any(f => File.Exists($"{f}/status")) ? "crun" : folders.Any(f => File.Exists($"{f}/state.json")) ? "runc" : "";
    }

    /// <summary>An image of the node's store; null where it has none of that name, digest or id.</summary>
    public async Task<Image?> ImageAsync(string reference, CancellationToken cancellationToken) =>
        (await FindAsync(
            "/runtime.v1.ImageService/ImageStatus",
            new ImageStatusRequest { Image = new ImageSpec { Image = reference } },
            ImageStatusResponse.Parser,
            cancellationToken))?.Image;

    /// <summary>The addresses of a pod that has a sandbox which is ready; none without one.</summary>
    public async Task<IReadOnlyList<string>> AddressesAsync(string podUid, CancellationToken cancellationToken) =>
        AddressesIn(await SandboxAsync(podUid, verbose: false, cancellationToken));

    /// <summary>The addresses of all pods that have a sandbox which is ready.</summary>
    public async Task<IReadOnlySet<string>> AddressesAsync(CancellationToken cancellationToken)
    {
        var result = new HashSet<string>();
        foreach (var sandbox in await ReadySandboxesAsync([], cancellationToken))
        {
            result.UnionWith(AddressesIn(await StatusAsync(sandbox, verbose: false, cancellationToken)));
        }

        return result;
    }

    /// <summary>The path of a pod's network namespace on the node; empty where the runtime does not tell it, null without a
    /// sandbox that is ready.</summary>
    public async Task<string?> NetworkNamespaceAsync(string podUid, CancellationToken cancellationToken) =>
        await SandboxAsync(podUid, verbose: true, cancellationToken) is { } sandbox
            ? sandbox.Info.TryGetValue("info", out var info) ? NetworkNamespaceIn(info) : ""
            : null;

    private static IReadOnlyList<string> AddressesIn(PodSandboxStatusResponse? sandbox) =>
        sandbox is { Status.Network: { Ip.Length: > 0 } network } ? [network.Ip, .. network.AdditionalIps.Select(a => a.Ip)] : [];

    private async Task<PodSandboxStatusResponse?> SandboxAsync(string podUid, bool verbose, CancellationToken cancellationToken) =>
        (await ReadySandboxesAsync(new() { ["io.kubernetes.pod.uid"] = podUid }, cancellationToken)).MaxBy(s => s.CreatedAt) is { } sandbox
            ? await StatusAsync(sandbox, verbose, cancellationToken)
            : null;

    private async Task<IEnumerable<PodSandbox>> ReadySandboxesAsync(Dictionary<string, string> labels, CancellationToken cancellationToken)
    {
        var filter = new PodSandboxFilter { State = new PodSandboxStateValue { State = PodSandboxState.SandboxReady } };
        filter.LabelSelector.Add(labels);
        return (await AskAsync(Service + "ListPodSandbox", new ListPodSandboxRequest { Filter = filter }, ListPodSandboxResponse.Parser, cancellationToken)).Items;
    }

    // For what is verbose containerd asks the pod's shim, and a shim that creates a container says nothing until it has:
    // it gives up after two times 2 s. A pod that waits for its checkpoint is being created.
    private Task<PodSandboxStatusResponse?> StatusAsync(PodSandbox sandbox, bool verbose, CancellationToken cancellationToken) =>
        FindAsync(
            Service + "PodSandboxStatus",
            new PodSandboxStatusRequest { PodSandboxId = sandbox.Id, Verbose = verbose },
            PodSandboxStatusResponse.Parser,
            cancellationToken);

    /// <summary>The runtime's answer about one thing; null where it has it no more.</summary>
    private async Task<T?> FindAsync<T>(string method, IMessage request, MessageParser<T> parser, CancellationToken cancellationToken)
        where T : class, IMessage<T>
    {
        try
        {
            return await AskAsync(method, request, parser, cancellationToken);
        }
        catch (RpcException exception) when (exception.InnerException is RpcException { StatusCode: StatusCode.NotFound })
        {
            return null;
        }
    }

    /// <summary>The runtime's answer.</summary>
    /// <exception cref="RpcException">It has none, for now: its own status would be taken for ours, and some of those are final.</exception>
    private async Task<T> AskAsync<T>(string method, IMessage request, MessageParser<T> parser, CancellationToken cancellationToken)
        where T : class, IMessage<T>
    {
        try
        {
            return await channel.UnaryAsync(method, request, parser, Deadline, cancellationToken);
        }
        catch (RpcException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw Refusal.Because(
                StatusCode.Unavailable, Reasons.AgentUnavailable,
                $"the node's container runtime does not answer {method[(method.LastIndexOf('/') + 1)..]}: {exception.Status.Detail} ({exception.StatusCode})", exception);
        }
    }

    private async Task<IReadOnlyList<Container>> ListAsync(string podUid, CancellationToken cancellationToken)
    {
        var filter = new ContainerFilter();
        filter.LabelSelector["io.kubernetes.pod.uid"] = podUid;
        return (await AskAsync(Service + "ListContainers", new ListContainersRequest { Filter = filter }, ListContainersResponse.Parser, cancellationToken)).Containers;
    }

    /// <summary>A process and all its descendants, as far as they live.</summary>
    public static IEnumerable<int> Tree(int pid)
    {
        yield return pid;
        var tasks = $"/proc/{pid}/task";
        if (!Directory.Exists(tasks))
        {
            yield break;
        }

        foreach (var task in Directory.GetDirectories(tasks))
        {
            string[] children;
            try
            {
                children = File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            }
            catch (IOException)
            {
                continue;
            }

            foreach (var child in children.SelectMany(c => Tree(int.Parse(c, CultureInfo.InvariantCulture))))
            {
                yield return child;
            }
        }
    }

    /// <summary>All processes of a container.</summary>
    /// <param name="pid">Its first one.</param>
    public static List<int> Processes(int pid) => [.. Tree(pid), .. Beside(pid)];

    /// <summary>The processes of a container that do not descend from its first one: who has them started in it (kubectl exec,
    /// probes) is the parent.</summary>
    /// <remarks>A container has a mount namespace of its own, whatever else it shares, and they are in it. Control groups would
    /// tell the same, but by paths that depend on who reads them.</remarks>
    public static List<int> Beside(int pid)
    {
        var own = MountsOf(pid);
        if (own is null || own == MountsOf(1) || own == MountsOf(Environment.ProcessId))
        {
            // Gone, or none of its own.
            return [];
        }

        var tree = Tree(pid).ToHashSet();
        return
        [
            .. Directory.EnumerateDirectories("/proc")
                .Select(folder => int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var process) ? process : 0)
                .Where(process => process > 0 && !tree.Contains(process) && MountsOf(process) == own)
                .ToList()
                .SelectMany(Tree)
                .Distinct(),
        ];
    }

    private static string? MountsOf(int pid)
    {
        try
        {
            return new FileInfo($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/ns/mnt").LinkTarget;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whether a process stands still by a stop signal (state T in proc_pid_stat(5)).</summary>
    public static bool IsStopped(int pid) => StateOf(pid) is 'T' or 'Z';

    /// <summary>Whether somebody stops or traces a process. (Frozen ones sleep without end, as those do that wait for a disk.)</summary>
    public static bool IsHeld(int pid) => StateOf(pid) is 'T' or 't';

    /// <summary>Whether somebody outside of a container holds a process of it as CRIU does, by ptrace(2). One that traces itself is
    /// the application's business.</summary>
    /// <param name="processes">The container's processes.</param>
    public static bool AreTraced(List<int> processes) => processes.Any(p => IsTraced(p, processes));

    /// <summary>Whether somebody who is none of them holds a process by ptrace(2).</summary>
    public static bool IsTraced(int pid, List<int> processes) =>
        // Who is in a pid namespace that cannot be seen from here is 0.
        StateOf(pid) == 't' && StatusOf(pid, "TracerPid") is { } tracer && !processes.Contains((int)tracer);

    /// <summary>Bytes of memory that a process and its descendants have, in the machine or swapped out.</summary>
    public static long MemoryOf(int pid) =>
        Tree(pid).Sum(p => ((StatusOf(p, "VmRSS") ?? 0) + (StatusOf(p, "VmSwap") ?? 0)) * 1024);

    /// <summary>A number of proc_pid_status(5); null of a process that is gone, and where there is none.</summary>
    private static long? StatusOf(int pid, string name)
    {
        try
        {
            return File.ReadLines($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/status")
                .FirstOrDefault(l => l.StartsWith(name + ":", StringComparison.Ordinal)) is { } line
                    ? long.Parse(line[(name.Length + 1)..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture)
                    : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Whether a process runs or sleeps, as processes do that nobody stops, traces or freezes.</summary>
    public static bool Runs(int pid) => StateOf(pid) is 'Z' || (StateOf(pid) is 'R' or 'S' && !IsFrozen(pid));

    /// <summary>Whether a process is frozen by a control group of version 2, in which it seems to sleep.</summary>
    private static bool IsFrozen(int pid)
    {
        try
        {
            return File.ReadLines($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/cgroup").Select(FrozenFile).FirstOrDefault(f => f is not null)
                is { } events && File.ReadLines(events).Contains("frozen 1");
        }
        catch (IOException)
        {
            // It has gone, or its group has.
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            // A security module keeps the node's files from us. CRIU freezes for the moment only in which it begins to trace.
            return false;
        }
    }

    /// <summary>Where the kernel tells whether a group is frozen; null for lines of version 1.</summary>
    internal static string? FrozenFile(string line) =>
        line.StartsWith("0::/", StringComparison.Ordinal) ? $"/proc/1/root/sys/fs/cgroup{line[3..].TrimEnd('/')}/cgroup.events" : null;

    private static char StateOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2];
        }
        catch (IOException)
        {
            // Gone.
            return 'Z';
        }
    }

    /// <summary>Both containerd and CRI-O show the sandbox's OCI specification.</summary>
    internal static string NetworkNamespaceIn(string info)
    {
        using var document = JsonDocument.Parse(info);
        return document.RootElement.TryGetProperty("runtimeSpec", out var spec)
            && spec.TryGetProperty("linux", out var linux) && linux.TryGetProperty("namespaces", out var namespaces)
            && namespaces.EnumerateArray().FirstOrDefault(n => n.GetProperty("type").GetString() == "network") is { ValueKind: JsonValueKind.Object } found
            && found.TryGetProperty("path", out var path)
                ? path.GetString() ?? ""
                : "";
    }

    /// <summary>containerd reads no folder of hooks: a container has those that its handler's base_runtime_spec names.</summary>
    internal static bool LacksHook(JsonElement info) =>
        // What a container is of only containerd tells, CRI-O not; its folder of hooks is for every container.
        info.TryGetProperty("snapshotter", out _)
        && !(info.TryGetProperty("runtimeSpec", out var spec)
            && spec.TryGetProperty("hooks", out var hooks) && hooks.ValueKind == JsonValueKind.Object
            && hooks.TryGetProperty("createRuntime", out var run) && run.ValueKind == JsonValueKind.Array
            && run.EnumerateArray().Any(h => h.TryGetProperty("path", out var path) && Path.GetFileName(path.GetString()) == "checkpoint-fence"));

    private static string? CriuConfigIn(JsonElement info) =>
        info.TryGetProperty("runtimeSpec", out var spec)
        && spec.TryGetProperty("annotations", out var annotations)
        && annotations.ValueKind == JsonValueKind.Object
        && annotations.TryGetProperty(WellKnown.CriuConfig, out var path)
            ? path.GetString()
            : null;
}
