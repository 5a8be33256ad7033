using Google.Protobuf;
using Grpc.Net.Client;
using Runtime.V1;

namespace PodCheckpointing.TestKubelet;

/// <summary>The container runtime of this node, over CRI.</summary>
internal sealed class CriRuntime(GrpcChannel channel)
{
    private const string Runtime = "/runtime.v1.RuntimeService/";

    /// <summary>kubelet's deadline for a call to the runtime.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    public async Task<string> RunSandboxAsync(
        PodSandboxConfig config, string handler, CancellationToken cancellationToken) =>
        (await CallAsync(
            "RunPodSandbox",
            new RunPodSandboxRequest { Config = config, RuntimeHandler = handler },
            RunPodSandboxResponse.Parser,
            cancellationToken)).PodSandboxId;

    public Task StopSandboxAsync(string id, CancellationToken cancellationToken) =>
        CallAsync("StopPodSandbox", new PodSandboxRequest { PodSandboxId = id }, Empty.Parser, cancellationToken);

    public Task RemoveSandboxAsync(string id, CancellationToken cancellationToken) =>
        CallAsync("RemovePodSandbox", new PodSandboxRequest { PodSandboxId = id }, Empty.Parser, cancellationToken);

    public async Task<PodSandboxStatus> SandboxAsync(string id, CancellationToken cancellationToken) =>
        (await CallAsync(
            "PodSandboxStatus", new PodSandboxRequest { PodSandboxId = id }, PodSandboxStatusResponse.Parser,
            cancellationToken))
        .Status;

    public async Task<IReadOnlyList<PodSandbox>> SandboxesAsync(CancellationToken cancellationToken) =>
        (await CallAsync(
            "ListPodSandbox", new ListPodSandboxRequest(), ListPodSandboxResponse.Parser, cancellationToken)).Items;

    public async Task<string> CreateAsync(
        string sandbox, ContainerConfig config, PodSandboxConfig pod, CancellationToken cancellationToken) =>
        (await CallAsync(
            "CreateContainer",
            new CreateContainerRequest { PodSandboxId = sandbox, Config = config, SandboxConfig = pod },
            CreateContainerResponse.Parser,
            cancellationToken)).ContainerId;

    public Task StartAsync(string id, CancellationToken cancellationToken) =>
        CallAsync("StartContainer", new ContainerRequest { ContainerId = id }, Empty.Parser, cancellationToken);

    public Task StopAsync(string id, long seconds, CancellationToken cancellationToken) =>
        CallAsync(
            "StopContainer",
            new StopContainerRequest { ContainerId = id, Timeout = seconds },
            Empty.Parser,
            cancellationToken);

    public async Task<IReadOnlyList<Container>> ContainersAsync(string sandbox, CancellationToken cancellationToken) =>
        (await CallAsync(
            "ListContainers",
            new ListContainersRequest { Filter = new ContainerFilter { PodSandboxId = sandbox } },
            ListContainersResponse.Parser,
            cancellationToken)).Containers;

    public async Task<ContainerStatus> ContainerAsync(string id, CancellationToken cancellationToken) =>
        (await CallAsync(
            "ContainerStatus",
            new ContainerStatusRequest { ContainerId = id },
            ContainerStatusResponse.Parser,
            cancellationToken)).Status;

    public Task CheckpointAsync(string id, string location, long timeout) =>
        CallAsync(
            "CheckpointContainer",
            new CheckpointContainerRequest { ContainerId = id, Location = location, Timeout = timeout },
            Empty.Parser,
            CancellationToken.None,
            TimeSpan.FromMinutes(30));

    public Task<ExecSyncResponse> ExecAsync(
        string id, IEnumerable<string> command, int seconds, CancellationToken cancellationToken)
    {
        var request = new ExecSyncRequest { ContainerId = id, Timeout = seconds };
        request.Cmd.AddRange(command);
        return CallAsync("ExecSync", request, ExecSyncResponse.Parser, cancellationToken);
    }

    public async Task<Image?> ImageAsync(string reference, CancellationToken cancellationToken) =>
        (await channel.UnaryAsync(
            "/runtime.v1.ImageService/ImageStatus",
            new ImageStatusRequest { Image = new ImageSpec { Image = reference } },
            ImageStatusResponse.Parser,
            Deadline,
            cancellationToken)).Image;

    public Task<VersionResponse> VersionAsync(CancellationToken cancellationToken) =>
        CallAsync("Version", new VersionRequest(), VersionResponse.Parser, cancellationToken);

    /// <summary>The runtime's handlers.</summary>
    public async Task<IReadOnlyList<string>> HandlersAsync(CancellationToken cancellationToken) =>
        [.. (await CallAsync("Status", new StatusRequest(), StatusResponse.Parser, cancellationToken)).RuntimeHandlers
            .Select(h => h.Name)];

    private Task<T> CallAsync<T>(
        string method, IMessage request, MessageParser<T> parser, CancellationToken cancellationToken,
        TimeSpan? deadline = null)
        where T : class, IMessage<T> =>
        channel.UnaryAsync(Runtime + method, request, parser, deadline ?? Deadline, cancellationToken);
}
