using System.Collections.Concurrent;
using System.Diagnostics;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Kubelet;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>Dumps containers and stores them; calls for the same key join the operation under way.</summary>
internal sealed class Checkpointer(
    KubeletClient kubelet,
    ContainerRuntime runtime,
    CriuConfiguration criu,
    DumpJournal journal,
    FenceBook fences,
    CheckpointStore store,
    VolumeContent volumes,
    NodeFacts facts,
    IOptions<AgentOptions> options,
    ILogger<Checkpointer> logger) : IDisposable
{
    private readonly ConcurrentDictionary<(string, string, string), Lazy<Task<CheckpointResponse>>> _running = new();
    private readonly SemaphoreSlim _sealing = new(1, 1);
    private readonly ConcurrentDictionary<(string, string, string), CheckpointProgress> _progress = new();

    /// <summary>Dumps and stores, or joins, or finds it done.</summary>
    public async Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, CancellationToken cancellationToken)
    {
        var key = (request.PodUid, request.CheckpointId, request.ContainerName);
        if (store.Find(request.PodUid, request.CheckpointId, request.ContainerName) is { } done
            && (request.SealContainers.Count == 0 || store.IsSealed(request.PodUid, request.CheckpointId)))
        {
            return Response(done);
        }

        // The operation goes on when its caller hangs up: half a dump helps nobody.
        var operation = _running.GetOrAdd(key, _ => new Lazy<Task<CheckpointResponse>>(() => Task.Run(() => OperationMeter.CheckpointAsync(() => RunAsync(request, key)))));
        try
        {
            return await operation.Value.WaitAsync(cancellationToken);
        }
        finally
        {
            if (operation.Value.IsCompleted)
            {
                _running.TryRemove(KeyValuePair.Create(key, operation));
            }
        }
    }

    public void Dispose() => _sealing.Dispose();

    /// <summary>Completes when no dump of a pod, or of one checkpoint of it, is under way any more, however it ended.</summary>
    public async Task SettledAsync(string podUid, string? checkpointId, CancellationToken cancellationToken)
    {
        foreach (var operation in _running
            .Where(o => o.Key.Item1 == podUid && (checkpointId is null || o.Key.Item2 == checkpointId)).Select(o => o.Value.Value))
        {
            await operation.ContinueWith(
                _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default).WaitAsync(cancellationToken);
        }
    }

    /// <summary>Whether any container of a pod is being dumped or stored here.</summary>
    public bool IsUnderWay(string podUid) => _running.Keys.Any(key => key.Item1 == podUid);

    /// <summary>How far the operation of a key has come; null when there is none.</summary>
    public CheckpointProgress? ProgressOf(WatchCheckpointRequest request)
    {
        var key = (request.PodUid, request.CheckpointId, request.ContainerName);
        return store.Find(request.PodUid, request.CheckpointId, request.ContainerName) is { } done
            ? new CheckpointProgress { Phase = "Done", Bytes = (ulong)done.Size, TotalBytes = (ulong)done.Size }
            : _progress.GetValueOrDefault(key);
    }

    private async Task<CheckpointResponse> RunAsync(CheckpointRequest request, (string, string, string) key)
    {
        try
        {
            if (store.Find(request.PodUid, request.CheckpointId, request.ContainerName) is { } done)
            {
                await SealIfLastAsync(request, done.Origin);
                return Response(done);
            }

            var containers = await runtime.ContainersAsync(request.PodUid, CancellationToken.None);
            var container = containers.FirstOrDefault(c => c.Name == request.ContainerName)
                ?? throw Refusal.Because(
                    StatusCode.FailedPrecondition,
                    Reasons.PodNotRunning,
                    $"container {request.ContainerName} of pod {request.PodName} ({request.PodUid}) does not run on this node");
            var fence = fences.FindForDump(request.PodUid);
            if (request.FenceHolder.Length > 0 && fence?.Holder != request.FenceHolder)
            {
                throw Refusal.Because(
                    StatusCode.FailedPrecondition, Reasons.CheckpointFailed, "the migration that asks for the dump holds no fence of the pod");
            }

            _progress[key] = new CheckpointProgress { Phase = "Dumping" };
            return await criu.WithAsync(fence, () => DumpAsync(request, key, container, fence), CancellationToken.None);
        }
        catch (Exception exception)
        {
            _progress[key] = new CheckpointProgress { Phase = "Failed", Message = exception.Message };
            throw exception switch
            {
                CorruptArtifactException corrupt =>
                    Refusal.Because(StatusCode.DataLoss, Reasons.CheckpointFailed, corrupt.Message, corrupt),
                IOException io => Refusal.Because(
                    StatusCode.Unavailable, "StoreUnavailable", $"the volume refuses: {io.Message}", io),
                _ => exception,
            };
        }
    }

    private async Task<CheckpointResponse> DumpAsync(
        CheckpointRequest request, (string, string, string) key, RunningContainer container, FenceRecord? fence)
    {
        if (CriuConfiguration.TcpLine(fence?.TcpPolicy ?? "").Length == 0
            && journal.Pending(request) is null
            && ConnectedSockets.Of([.. ContainerRuntime.Tree(container.Pid)]) is { Count: > 0 } connected)
        {
            throw KubeletClient.ConnectedSocketsRefused($"{connected.Count} of them");
        }

        var watch = Stopwatch.GetTimestamp();
        var (tar, stoppedAt) = await FindLostAsync(request, container) ?? await AskKubeletAsync(request);
        var took = Stopwatch.GetElapsedTime(watch);
        // Looked at, not assumed: a process that runs on would be the second live copy.
        var leftStopped = fence is not null && ContainerRuntime.Tree(container.Pid).All(ContainerRuntime.IsStopped);
        AgentLog.Dumped(logger, request.PodUid, request.ContainerName, took.TotalMilliseconds, leftStopped);
        watch = Stopwatch.GetTimestamp();
        await using (var file = File.OpenRead(tar))
        {
            var manifest = await store.WriteAsync(
                request.PodUid,
                request.CheckpointId,
                request.ContainerName,
                file,
                new Origin
                {
                    PodNamespace = request.PodNamespace,
                    PodName = request.PodName,
                    NodeName = options.Value.NodeName,
                    ImageReference = container.Image,
                    ImageID = container.ImageId,
                    Runtime = $"{facts.Runtime} {facts.RuntimeVersion}",
                    CriuVersion = facts.CriuVersion,
                    KernelVersion = facts.KernelVersion,
                    Architecture = facts.Architecture,
                    CpuModel = facts.CpuModel,
                    CpuFeatures = facts.CpuFeatures,
                    TcpPolicy = fence?.TcpPolicy ?? "",
                    LeftStopped = leftStopped,
                    StoppedAt = stoppedAt,
                    KubeletCallMicroseconds = (long)took.TotalMicroseconds,
                },
                new Progress<long>(bytes => _progress[key] = new CheckpointProgress
                {
                    Phase = "Storing", Bytes = (ulong)bytes, TotalBytes = (ulong)file.Length,
                }),
                CancellationToken.None);
            OperationMeter.Stored(manifest, took, Stopwatch.GetElapsedTime(watch));
            // The bytes are safe on the volume; kubelet itself never removes its file.
            File.Delete(tar);
            journal.End(request);
            await SealIfLastAsync(request, manifest.Origin);
            return Response(manifest);
        }
    }

    private async Task<(string Tar, DateTime StoppedAt)> AskKubeletAsync(CheckpointRequest request)
    {
        var stoppedAt = journal.Begin(request);
        try
        {
            var tar = await kubelet.CheckpointAsync(
                request.PodNamespace, request.PodName, request.ContainerName, request.TimeoutSeconds, CancellationToken.None);
            return (tar, stoppedAt);
        }
        catch (RpcException exception) when (exception.StatusCode != StatusCode.Unavailable)
        {
            // kubelet has answered: there was no dump.
            journal.End(request);
            throw;
        }
    }

    /// <summary>The archive of a dump whose end nobody saw.</summary>
    private async Task<(string Tar, DateTime StoppedAt)?> FindLostAsync(CheckpointRequest request, RunningContainer container)
    {
        if (journal.Pending(request) is not { } since)
        {
            return null;
        }

        bool GoesOn() => !ContainerRuntime.Tree(container.Pid).All(ContainerRuntime.Runs);
        if (await journal.FindArchiveAsync(request, since, GoesOn, CancellationToken.None) is { } tar)
        {
            AgentLog.Found(logger, request.PodUid, request.ContainerName);
            return (tar, since);
        }

        // It came to nothing. What it left stopped goes on, so that the next one finds it as CRIU needs it: no copy runs
        // anywhere else, for no archive of it was ever given to anybody.
        foreach (var pid in ContainerRuntime.Tree(container.Pid))
        {
            Signals.Continue(pid);
        }

        journal.End(request);
        return null;
    }

    /// <summary>When all containers stand, and so every process is stopped: the volumes, then the marker.</summary>
    private async Task SealIfLastAsync(CheckpointRequest request, Origin origin)
    {
        await _sealing.WaitAsync();
        try
        {
            if (request.SealContainers.Count == 0
                || store.IsSealed(request.PodUid, request.CheckpointId)
                || request.SealContainers.Any(c => store.Find(request.PodUid, request.CheckpointId, c) is null))
            {
                return;
            }

            if (request.VolumeNames.Count > 0 && fences.Find(request.PodUid) is null)
            {
                throw Refusal.Because(
                    StatusCode.FailedPrecondition, Reasons.CheckpointFailed, "the content of volumes is taken of fenced pods only: the processes would write on");
            }

            foreach (var volume in request.VolumeNames)
            {
                await volumes.StoreAsync(request.PodUid, request.CheckpointId, volume, origin, CancellationToken.None);
            }

            store.Seal(request.PodUid, request.CheckpointId, [.. request.SealContainers, .. request.VolumeNames.Select(VolumeContent.NameOf)]);
        }
        finally
        {
            _sealing.Release();
        }
    }

    private static CheckpointResponse Response(ContainerManifest manifest) => new()
    {
        ArtifactUri = ArtifactUri.ForContainer(manifest.PodUID, manifest.CheckpointID, manifest.Container).ToString(),
        Size = (ulong)manifest.Size,
        CompressedSize = (ulong)manifest.CompressedSize,
        Digest = manifest.Digest,
        CompressedDigest = manifest.CompressedDigest,
        ImageReference = manifest.Origin.ImageReference,
        ImageId = manifest.Origin.ImageID,
        Runtime = manifest.Origin.Runtime,
        CriuVersion = manifest.Origin.CriuVersion,
        LeftStopped = manifest.Origin.LeftStopped,
        StoppedAt = Timestamp.FromDateTime(DateTime.SpecifyKind(manifest.Origin.StoppedAt, DateTimeKind.Utc)),
        KubeletCallMicroseconds = (ulong)manifest.Origin.KubeletCallMicroseconds,
    };
}
