extern alias agent;

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Component.Grpc;
using PodCheckpointing.Storage;
using agent::Runtime.V1;

namespace PodCheckpointing.Component.Checkpoints;

/// <summary>One container of a test's pod: a process that sleeps.</summary>
internal sealed record SleepingContainer(string PodUid, string Name, Process Process)
{
    /// <summary>Of its OCI configuration, as JSON.</summary>
    public string Annotations { get; set; } = "{}";
}

/// <summary>The agent's program between a kubelet and a runtime of the test's own, on a store in a folder.</summary>
internal sealed class AgentNode : IAsyncDisposable
{
    public const string Id = "20261121t003412z-7f3a9c";
    private readonly TestAuthority _authority = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("pod-checkpointing-node").FullName;
    private readonly ConcurrentBag<SleepingContainer> _containers = [];
    private readonly int[] _ports = FreePorts(4);
    private WebApplication _peers = null!;
    private Process _agent = null!;
    private GrpcChannel _channel = null!;
    private TaskCompletionSource _ending = null!;

    /// <summary>A real archive, as CRI-O writes it.</summary>
    public static string Archive =>
        Path.Combine(PodCheckpointing.Generate.Repository.Root(AppContext.BaseDirectory), "test/Data/crio-counter.tar");

    /// <summary>Writes an archive as runtimes do, without a lock on it.</summary>
    public static async Task WriteAsync(string path, ReadOnlyMemory<byte> archive)
    {
        await using var file =
            new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        await file.WriteAsync(archive);
    }

    public string StoreRoot => Path.Combine(_folder, "store");

    /// <summary>The files that are the node's, for the agent.</summary>
    public string NodeRoot => Path.Combine(_folder, "root");

    /// <summary>What the fence hook leaves when it runs.</summary>
    public string HookStamp => Path.Combine(_folder, "state/fence-hook-ran");

    /// <summary>Where kubelet writes its archives.</summary>
    public string Archives => Path.Combine(_folder, "checkpoints");

    public CheckpointStore Store { get; private set; } = null!;

    public CheckpointServiceClient Client { get; private set; } = null!;

    /// <summary>What kubelet does when it is asked: writes an archive to a path and
    /// returns which; null: it refuses.</summary>
    public Func<string, Task<string?>> Dump { get; set; } = async path =>
    {
        await WriteAsync(path, await File.ReadAllBytesAsync(Archive));
        return path;
    };

    /// <summary>What kubelet says when it refuses.</summary>
    public string Words { get; set; } = "CRIU says no";

    public IEnumerable<SleepingContainer> Containers => _containers;

    /// <summary>Whether the list says of containers that have ended that they run, as one does that
    /// was made a moment before.</summary>
    public bool ListLags { get; set; }

    /// <summary>Whether the runtime knows nothing any more of containers that have ended.</summary>
    public bool RuntimeForgets { get; set; }

    /// <summary>Whose fence dumps are made under; "": nobody's.</summary>
    public string Holder { get; set; } = "";

    /// <summary>How often kubelet was asked.</summary>
    public int Dumps { get; private set; }

    public static async Task<AgentNode> StartAsync()
    {
        var node = new AgentNode();
        Directory.CreateDirectory(node.StoreRoot);
        Directory.CreateDirectory(node.Archives);
        node.Store = new CheckpointStore(node.StoreRoot, TimeProvider.System);
        try
        {
            await node.StartPeersAsync();
            await node.StartAgentAsync();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>A container that runs; its pod is known to the runtime and to kubelet by its uid.</summary>
    public SleepingContainer Run(string podUid, string container) =>
        Run(podUid, container, Process.Start("sleep", "1000"));

    /// <summary>A container whose first process is there already; it ends with the node.</summary>
    public SleepingContainer Run(string podUid, string container, Process process)
    {
        var result = new SleepingContainer(podUid, container, process);
        _containers.Add(result);
        return result;
    }

    /// <summary>The folder of an emptyDir volume.</summary>
    public string Volume(string podUid, string volume) =>
        Directory.CreateDirectory(
            Path.Combine(_folder, "pods", podUid, "volumes", "kubernetes.io~empty-dir", volume)).FullName;

    public Task<CheckpointResponse> CheckpointAsync(
        string podUid, string container, string[]? seal = null, params string[] volumes)
    {
        var request = new CheckpointRequest
        {
            PodNamespace = "default", PodName = podUid, PodUid = podUid, ContainerName = container, CheckpointId = Id,
            FenceHolder = Holder,
        };
        request.SealContainers.AddRange(seal ?? []);
        request.VolumeNames.AddRange(volumes);
        return Client.CheckpointAsync(request, TimeSpan.FromMinutes(2), CancellationToken.None);
    }

    public async Task StartAgentAsync()
    {
        var (certificate, key) = _authority.Issue("agent", AgentTls.AgentName);
        _agent = Process.Start(new ProcessStartInfo(
            "dotnet",
            [
                typeof(PodCheckpointing.Agent.Metrics.Metering).Assembly.Location,
                "--Agent:NodeName=node", $"--Agent:StoreRoot={StoreRoot}", $"--Agent:StateRoot={_folder}/state",
                $"--Agent:KubeletUrl=https://127.0.0.1:{_ports[3]}", $"--Agent:KubeletCa={_authority.CaFile}",
                $"--Agent:KubeletDirectory={Archives}", $"--Agent:KubeletPods={_folder}/pods",
                $"--Agent:TlsCertificate={certificate}",
                $"--Agent:TlsKey={key}", $"--Agent:TlsClientCa={_authority.CaFile}",
                $"--Agent:RuntimeEndpoint=unix://{_folder}/cri.sock", $"--Agent:FenceHook={_folder}/checkpoint-fence",
                $"--Agent:NodeRoot={NodeRoot}", $"--Agent:CriuConfig={CriuOptions}",
                $"--Agent:Port={_ports[0]}", $"--Agent:HealthPort={_ports[1]}", $"--Agent:MetricsPort={_ports[2]}",
            ])
        {
            RedirectStandardOutput = true,
        })!;
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _ending = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _agent.OutputDataReceived += (_, line) =>
        {
            if (line.Data?.Contains("Application started", StringComparison.Ordinal) != false)
            {
                started.TrySetResult();
            }

            if (line.Data?.Contains("is shutting down", StringComparison.Ordinal) == true)
            {
                _ending.TrySetResult();
            }
        };
        _agent.BeginOutputReadLine();
        await started.Task.WaitAsync(TimeSpan.FromSeconds(120));
        var (mine, myKey) = _authority.Issue("operator", AgentTls.OperatorName);
        _channel = GrpcChannel.ForAddress(
            $"https://127.0.0.1:{_ports[0]}",
            new GrpcChannelOptions { Tls = AgentTls.ForOperator(_authority.CaFile, mine, myKey) });
        Client = new CheckpointServiceClient(_channel);
    }

    /// <summary>Puts the fence hook where the agent expects it.</summary>
    public void InstallHook() => File.WriteAllText($"{_folder}/checkpoint-fence", "");

    /// <summary>The node's options for CRIU.</summary>
    public string CriuOptions => Path.Combine(_folder, "crun.conf");

    /// <summary>Asks the agent to end, and returns when it has heard it.</summary>
    /// <returns>Its end.</returns>
    public async Task<Task> EndAgentAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _agent.Id.ToString(CultureInfo.InvariantCulture)]);
        await _ending.Task.WaitAsync(TimeSpan.FromSeconds(120));
        return _agent.WaitForExitAsync();
    }

    /// <summary>Kills the agent, without mercy.</summary>
    public void KillAgent()
    {
        _channel?.Dispose();
        _agent.Kill();
        _agent.WaitForExit();
        _agent.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        // What could not be started is not there to be ended.
        if (_agent is not null)
        {
            KillAgent();
        }

        if (_peers is not null)
        {
            await _peers.DisposeAsync();
        }

        foreach (var container in _containers)
        {
            container.Process.Kill();
            container.Process.Dispose();
        }

        _authority.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartPeersAsync()
    {
        var (certificate, key) = _authority.Issue("kubelet", "node");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket($"{_folder}/cri.sock", listen => listen.Protocols = HttpProtocols.Http2);
            kestrel.ListenLocalhost(_ports[3], listen => listen.UseHttps(https => https.ServerCertificate =
                System.Security.Cryptography.X509Certificates.X509Certificate2.CreateFromPemFile(certificate, key)));
        });
        _peers = builder.Build();
        _peers.MapPost(
            "/checkpoint/{ns}/{pod}/{container}", async (string ns, string pod, string container, HttpContext http) =>
            {
                // The agent asks from time to time whether it is there.
                if (pod == "no-such-pod-checkpointing-probe")
                {
                    http.Response.StatusCode = StatusCodes.Status404NotFound;
                    await http.Response.WriteAsync("pod does not exist");
                    return;
                }

                Dumps++;
                var stamp = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
                var path = Path.Combine(Archives, $"checkpoint-{pod}_{ns}-{container}-{stamp}.tar");
                if (await Dump(path) is { } written)
                {
                    await http.Response.WriteAsJsonAsync(new { items = new[] { written } });
                }
                else
                {
                    http.Response.StatusCode = StatusCodes.Status500InternalServerError;
                    await http.Response.WriteAsync(Words);
                }
            });
        _peers.MapGrpcMethod(
            Cri("ListContainers", ListContainersRequest.Parser, ListContainersResponse.Parser),
            (request, _) => Task.FromResult(List(request)));
        _peers.MapGrpcMethod(
            Cri("ContainerStatus", ContainerStatusRequest.Parser, ContainerStatusResponse.Parser),
            (request, _) => Task.FromResult(Status(request)));
        _peers.MapGrpcMethod(
            Cri("ListPodSandbox", ListPodSandboxRequest.Parser, ListPodSandboxResponse.Parser),
            (_, _) => Task.FromResult(Sandboxes()));
        await _peers.StartAsync();
    }

    private ListPodSandboxResponse Sandboxes()
    {
        var response = new ListPodSandboxResponse();
        response.Items.AddRange(_containers.Select(c => c.PodUid)
            .Distinct()
            .Select(uid => new PodSandbox { Metadata = new PodSandboxMetadata { Uid = uid } }));
        return response;
    }

    private ListContainersResponse List(ListContainersRequest request)
    {
        var response = new ListContainersResponse();
        response.Containers.AddRange(_containers
            .Where(c => c.PodUid == request.Filter.LabelSelector["io.kubernetes.pod.uid"])
            .Select(c => new Container
            {
                Id = $"{c.PodUid}/{c.Name}", Metadata = new ContainerMetadata { Name = c.Name },
                State = c.Process.HasExited && !ListLags
                    ? ContainerState.ContainerExited
                    : ContainerState.ContainerRunning,
            }));
        return response;
    }

    private ContainerStatusResponse Status(ContainerStatusRequest request)
    {
        var container = _containers.Single(c => $"{c.PodUid}/{c.Name}" == request.ContainerId);
        if (RuntimeForgets && container.Process.HasExited)
        {
            throw new RpcException(new Status(StatusCode.NotFound, $"container {request.ContainerId} not found"));
        }

        var response = new ContainerStatusResponse
        {
            Status = new ContainerStatus
            {
                Image = new ImageSpec { Image = "image:1" }, ImageRef = "sha256:1",
                State = container.Process.HasExited ? ContainerState.ContainerExited : ContainerState.ContainerRunning,
            },
        };
        response.Info["info"] =
            $$$"""{"pid": {{{(container.Process.HasExited ? 0 : container.Process.Id)}}}, "runtimeSpec": {"annotations": {{{container.Annotations}}}}}""";
        return response;
    }

    private static Method<TRequest, TResponse> Cri<TRequest, TResponse>(
        string name, Google.Protobuf.MessageParser<TRequest> request, Google.Protobuf.MessageParser<TResponse> response)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>
        where TResponse : class, Google.Protobuf.IMessage<TResponse> =>
        new(MethodType.Unary, "runtime.v1.RuntimeService", name, Marshallers.For(request), Marshallers.For(response));

    private static int[] FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToList();
        listeners.ForEach(l => l.Start());
        var ports = listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port).ToArray();
        listeners.ForEach(l => l.Stop());
        return ports;
    }
}
