using System.Collections.Concurrent;
using System.Net;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Component.Grpc;

namespace PodCheckpointing.Component.Scale;

/// <summary>A pod that a kubelet has been told to start from a checkpoint.</summary>
internal sealed class Receiver
{
    private readonly TaskCompletionSource _waits = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _runs = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Waits => _waits.Task;

    public Task Runs => _runs.Task;

    public DateTimeOffset RunningAt { get; private set; }

    public void Wait() => _waits.TrySetResult();

    public void Run()
    {
        RunningAt = DateTimeOffset.UtcNow;
        _runs.TrySetResult();
    }
}

/// <summary>One node's agent, over real gRPC with real certificates: it takes the time that work
/// would take, and does none.</summary>
internal sealed class FakeNode : CheckpointServiceBase, IAsyncDisposable
{
    private static readonly TimeSpan Dump = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Stage = TimeSpan.FromMilliseconds(20);
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, Receiver> _receivers;
    private int _dumping;

    private FakeNode(string name, WebApplication app, ConcurrentDictionary<string, Receiver> receivers) =>
        (Name, _app, _receivers) = (name, app, receivers);

    public string Name { get; }

    /// <summary>Pods that are fenced, and by which migration.</summary>
    public ConcurrentDictionary<string, string> Fences { get; } = new();

    /// <summary>When each caller, by his certificate's serial number, last began a
    /// call that changes something.</summary>
    public ConcurrentQueue<(string Caller, string Method)> Calls { get; } = new();

    /// <summary>What every dump waits for.</summary>
    public Task MayDump { get; set; } = Task.CompletedTask;

    /// <summary>The dumps that have begun to wait.</summary>
    public int Dumping => _dumping;

    public static async Task<FakeNode> StartAsync(
        string name, IPAddress address, int port, TestAuthority authority,
        ConcurrentDictionary<string, Receiver> receivers)
    {
        var (certificate, key) =
            (Path.Combine(authority.Folder, "agent.crt"), Path.Combine(authority.Folder, "agent.key"));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
            kestrel.Listen(address, port, listen => listen.UseAgentTls(authority.CaFile, certificate, key)));
        var node = new FakeNode(name, builder.Build(), receivers);
        node.Map(node._app);
        await node._app.StartAsync();
        return node;
    }

    public override Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, ServerCallContext context) =>
        Task.FromResult(new GetCapabilitiesResponse
        {
            NodeName = Name, KubeletCheckpoint = true, FenceHook = true, RestoreHandler = true, StoreId = "s",
            Architecture = "x", Runtime = "crun", CriuVersion = "4.2", ProtocolVersion = 1, Clock = Clock(),
        });

    public override Task<FenceResponse> FenceAsync(FenceRequest request, ServerCallContext context)
    {
        Note(context);
        Fences[request.PodUid] = request.Holder;
        return Task.FromResult(new FenceResponse { FencedAt = Now(), Clock = Clock() });
    }

    public override Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, ServerCallContext context)
    {
        Note(context);
        Fences.TryRemove(request.PodUid, out _);
        return Task.FromResult(new UnfenceResponse());
    }

    public override Task<EndProcessesResponse> EndProcessesAsync(EndProcessesRequest request, ServerCallContext context)
    {
        Note(context);
        return Task.FromResult(new EndProcessesResponse { EndedProcesses = 1 });
    }

    public override async Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, ServerCallContext context)
    {
        Note(context);
        Interlocked.Increment(ref _dumping);
        await MayDump.WaitAsync(context.CancellationToken);
        await Task.Delay(Dump, context.CancellationToken);
        return new CheckpointResponse
        {
            ArtifactUri = $"shared://{request.PodUid}/{request.CheckpointId}/{request.ContainerName}/dump.tar.zst",
            Size = 1 << 20, CompressedSize = 1 << 18, Digest = "sha256:" + new string('a', 64),
            CompressedDigest = "sha256:" + new string('b', 64), ImageReference = "localhost/any:1", Runtime = "crun",
            CriuVersion = "4.2",
            LeftStopped = true, StoppedAt = Now(), KubeletCallMicroseconds = 50_000, Clock = Clock(),
        };
    }

    public override Task<SealResponse> SealAsync(SealRequest request, ServerCallContext context)
    {
        Note(context);
        return Task.FromResult(new SealResponse
        {
            ArtifactUri = $"shared://{request.PodUid}/{request.CheckpointId}", CompressedSize = 1 << 18,
        });
    }

    public override async Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, ServerCallContext context)
    {
        Note(context);
        await Task.Delay(Stage, context.CancellationToken);
        return new PrepareRestoreResponse { StagedBytes = 1 << 20, Clock = Clock() };
    }

    public override async Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, ServerCallContext context)
    {
        var receiver = ReceiverOf(request.PodUid);
        var what = request.Until == "Waiting" ? receiver.Waits : receiver.Runs;
        await Task.WhenAny(
            what, Task.Delay(TimeSpan.FromMilliseconds(request.WaitMilliseconds), context.CancellationToken));
        var phase = receiver.Runs.IsCompleted ? "Running" : receiver.Waits.IsCompleted ? "Waiting" : "Absent";
        var response = new GetRestoreResponse { Clock = Clock() };
        response.Containers.AddRange(request.ContainerNames.Select(n => new ContainerRestore
        {
            ContainerName = n,
            Phase = phase, RunningAt = Timestamp.FromDateTimeOffset(receiver.RunningAt), RestoreMicroseconds = 30_000,
        }));
        return response;
    }

    public override Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, ServerCallContext context)
    {
        Note(context);
        ReceiverOf(request.PodUid).Run();
        return Task.FromResult(new ReleaseRestoreResponse());
    }

    public override Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, ServerCallContext context)
    {
        Note(context);
        return Task.FromResult(new CancelRestoreResponse());
    }

    public override Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, ServerCallContext context)
    {
        Note(context);
        return Task.FromResult(new DeleteCheckpointResponse { FreedBytes = 1 << 18 });
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }

    private Receiver ReceiverOf(string podUid) => _receivers.GetOrAdd(podUid, _ => new Receiver());

    private void Note(ServerCallContext context) =>
        Calls.Enqueue((context.PeerCertificate!.SerialNumber, context.Method[(context.Method.LastIndexOf('/') + 1)..]));

    private static Timestamp Now() => Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow);

    private static ClockSample Clock()
    {
        var now = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100;
        return new ClockSample { ReceivedUnixNanos = now, SentUnixNanos = now };
    }
}
