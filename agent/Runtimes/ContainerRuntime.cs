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
/// <param name="CriuConfig">The file that the container itself names for CRIU's
/// options; null where it names none.</param>
/// <param name="LacksHook">Whether the runtime has made it without the fence hook, and would make it so again.</param>
internal sealed record RunningContainer(
    string Id, string Name, int Pid, string Image, string ImageId, string? CriuConfig, bool LacksHook);

/// <summary>What the agent asks the container runtime (CRI) about pods.</summary>
internal sealed class ContainerRuntime(GrpcChannel channel)
{
    private const string Service = "/runtime.v1.RuntimeService/";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <summary>What the runtime calls itself: containerd, cri-o.</summary>
    public async Task<string> NameAsync(CancellationToken cancellationToken) =>
        (await AskAsync(Service + "Version", new VersionRequest(), VersionResponse.Parser, cancellationToken))
        .RuntimeName;

    /// <summary>The uids of all pods that the runtime has a sandbox of.</summary>
    public async Task<IReadOnlySet<string>> PodUidsAsync(CancellationToken cancellationToken) =>
        (await AskAsync(
            Service + "ListPodSandbox", new ListPodSandboxRequest(), ListPodSandboxResponse.Parser, cancellationToken))
        .Items.Select(s => s.Metadata.Uid).ToHashSet();

    /// <summary>How many containers of a pod the runtime has whose processes may live.</summary>
    public async Task<int> CountLiveAsync(string podUid, CancellationToken cancellationToken) =>
        (await ListAsync(podUid, cancellationToken)).Count(c => c.State != ContainerState.ContainerExited);

    /// <summary>The running containers of a pod.</summary>
    public async Task<IReadOnlyList<RunningContainer>> ContainersAsync(
        string podUid, CancellationToken cancellationToken)
    {
        var result = new List<RunningContainer>();
        foreach (var container in (await ListAsync(podUid, cancellationToken)).Where(
            c => c.State == ContainerState.ContainerRunning))
        {
            var status = await FindAsync(
                Service + "ContainerStatus",
                new ContainerStatusRequest { ContainerId = container.Id, Verbose = true },
                ContainerStatusResponse.Parser,
                cancellationToken);
            // One that has ended since it was listed has the pid 0, or is not there any more.
            if (status?.Status.State == ContainerState.ContainerRunning
                && status.Info.TryGetValue("info", out var text))
            {
                using var info = JsonDocument.Parse(text);
                if (info.RootElement.TryGetProperty("pid", out var pid) && pid.GetInt32() > 0)
                {
                    result.Add(new RunningContainer(
                        container.Id, container.Metadata.Name, pid.GetInt32(), status.Status.Image.Image,
                        status.Status.ImageRef,
                        CriuConfigIn(info.RootElement), LacksHook(info.RootElement)));
                }
            }
        }

        return result;
    }

    /// <summary>Which OCI runtime has made a container, by the state that it keeps;
    /// empty where none is found.</summary>
    internal static string MakerOf(string id, string root)
    {
        string[] folders =
        [
            $"{root}/run/crun/{id}",
            $"{root}/run/runc/{id}",
            $"{root}/run/containerd/runc/k8s.io/{id}",
        ];
        return folders.Any(f => File.Exists($"{f}/status"))
            ? "crun"
            : folders.Any(f => File.Exists($"{f}/state.json")) ? "runc" : "";
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

    /// <summary>The path of a pod's network namespace on the node; empty where the runtime does not tell it, null
    /// without a sandbox that is ready.</summary>
    public async Task<string?> NetworkNamespaceAsync(string podUid, CancellationToken cancellationToken) =>
        await SandboxAsync(podUid, verbose: true, cancellationToken) is { } sandbox
            ? sandbox.Info.TryGetValue("info", out var info) ? NetworkNamespaceIn(info) : ""
            : null;

    private static IReadOnlyList<string> AddressesIn(PodSandboxStatusResponse? sandbox) =>
        sandbox is { Status.Network: { Ip.Length: > 0 } network }
            ? [network.Ip, .. network.AdditionalIps.Select(a => a.Ip)]
            : [];

    private async Task<PodSandboxStatusResponse?> SandboxAsync(
        string podUid, bool verbose, CancellationToken cancellationToken) =>
        (await ReadySandboxesAsync(new() { ["io.kubernetes.pod.uid"] = podUid }, cancellationToken))
            .MaxBy(s => s.CreatedAt) is { } sandbox
            ? await StatusAsync(sandbox, verbose, cancellationToken)
            : null;

    private async Task<IEnumerable<PodSandbox>> ReadySandboxesAsync(
        Dictionary<string, string> labels, CancellationToken cancellationToken)
    {
        var filter = new PodSandboxFilter { State = new PodSandboxStateValue { State = PodSandboxState.SandboxReady } };
        filter.LabelSelector.Add(labels);
        return (await AskAsync(Service + "ListPodSandbox", new ListPodSandboxRequest
        {
            Filter = filter,
        }, ListPodSandboxResponse.Parser, cancellationToken)).Items;
    }

    // For what is verbose containerd asks the pod's shim, and a shim that creates a container says nothing until it
    // has: it gives up after two times 2 s. A pod that waits for its checkpoint is being created.
    private Task<PodSandboxStatusResponse?> StatusAsync(
        PodSandbox sandbox, bool verbose, CancellationToken cancellationToken) =>
        FindAsync(
            Service + "PodSandboxStatus",
            new PodSandboxStatusRequest { PodSandboxId = sandbox.Id, Verbose = verbose },
            PodSandboxStatusResponse.Parser,
            cancellationToken);

    /// <summary>The runtime's answer about one thing; null where it has it no more.</summary>
    private async Task<T?> FindAsync<T>(
        string method, IMessage request, MessageParser<T> parser, CancellationToken cancellationToken)
        where T : class, IMessage<T>
    {
        try
        {
            return await AskAsync(method, request, parser, cancellationToken);
        }
        catch (RpcException exception)
            when (exception.InnerException is RpcException { StatusCode: StatusCode.NotFound })
        {
            return null;
        }
    }

    /// <summary>The runtime's answer.</summary>
    /// <exception cref="RpcException">It has none, for now: its own status would be taken for ours, and
    /// some of those are final.</exception>
    private async Task<T> AskAsync<T>(
        string method, IMessage request, MessageParser<T> parser, CancellationToken cancellationToken)
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
                $"the node's container runtime does not answer {method[(method.LastIndexOf('/') + 1)..]}: "
                    + $"{exception.Status.Detail} ({exception.StatusCode})",
                exception);
        }
    }

    private async Task<IReadOnlyList<Container>> ListAsync(string podUid, CancellationToken cancellationToken)
    {
        var filter = new ContainerFilter();
        filter.LabelSelector["io.kubernetes.pod.uid"] = podUid;
        return (await AskAsync(Service + "ListContainers", new ListContainersRequest
        {
            Filter = filter,
        }, ListContainersResponse.Parser, cancellationToken)).Containers;
    }

    /// <summary>Both containerd and CRI-O show the sandbox's OCI specification.</summary>
    internal static string NetworkNamespaceIn(string info)
    {
        using var document = JsonDocument.Parse(info);
        return document.RootElement.TryGetProperty("runtimeSpec", out var spec)
            && spec.TryGetProperty("linux", out var linux) && linux.TryGetProperty("namespaces", out var namespaces)
            && namespaces.EnumerateArray().FirstOrDefault(n => n.GetProperty("type").GetString() == "network")
                is { ValueKind: JsonValueKind.Object } found
            && found.TryGetProperty("path", out var path)
                ? path.GetString() ?? ""
                : "";
    }

    /// <summary>containerd reads no folder of hooks: a container has those that its
    /// handler's base_runtime_spec names.</summary>
    internal static bool LacksHook(JsonElement info) =>
        // What a container is of only containerd tells, CRI-O not; its folder of hooks is for every container.
        info.TryGetProperty("snapshotter", out _)
        && !(info.TryGetProperty("runtimeSpec", out var spec)
            && spec.TryGetProperty("hooks", out var hooks) && hooks.ValueKind == JsonValueKind.Object
            && hooks.TryGetProperty("createRuntime", out var run) && run.ValueKind == JsonValueKind.Array
            && run.EnumerateArray().Any(
                h => h.TryGetProperty("path", out var path)
                    && Path.GetFileName(path.GetString()) == "checkpoint-fence"));

    private static string? CriuConfigIn(JsonElement info) =>
        info.TryGetProperty("runtimeSpec", out var spec)
        && spec.TryGetProperty("annotations", out var annotations)
        && annotations.ValueKind == JsonValueKind.Object
        && annotations.TryGetProperty(WellKnown.CriuConfig, out var path)
            ? path.GetString()
            : null;
}
