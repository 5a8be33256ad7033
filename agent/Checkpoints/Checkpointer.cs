using System.Collections.Concurrent;
using System.Diagnostics;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>Dumps containers and stores them; calls for the same key join the operation under way.</summary>
internal sealed class Checkpointer(
    Dumper dumper,
    ArchiveWatch archives,
    ContainerRuntime runtime,
    FenceBook fences,
    CheckpointStore store,
    VolumeContent volumes,
    NodeFacts facts,
    IOptions<AgentOptions> options,
    TimeProvider time)
{
    /// <summary>For how long somebody may ask why an operation has failed.</summary>
    private static readonly TimeSpan Remembered = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<ContainerKey, (
        CheckpointOperation Operation, Lazy<Task<CheckpointResponse>> Response)> _running = new();
    // No marker may come to stand over these: the pod ran on before it did.
    private readonly PerPodFlags _abandoned = new();
    private readonly KeyedLock<(string PodUid, string Container)> _containers = new();
    // Of two containers that are stored at once, one seals, and takes the volumes before it does.
    private readonly KeyedLock<(string PodUid, string CheckpointId)> _checkpoints = new();
    private readonly ConcurrentDictionary<ContainerKey, CheckpointProgress> _progress = new();

    /// <summary>What is dumped, stored and told of, each once at a time.</summary>
    private readonly record struct ContainerKey(string PodUid, string CheckpointId, string Container);

    /// <summary>Dumps and stores, or joins, or finds it done.</summary>
    public async Task<CheckpointResponse> CheckpointAsync(
        CheckpointRequest request, CancellationToken cancellationToken)
    {
        var key = new ContainerKey(request.PodUid, request.CheckpointId, request.ContainerName);
        if (store.Find(request.PodUid, request.CheckpointId, request.ContainerName) is { } done
            && (request.SealContainers.Count == 0 || store.IsSealed(request.PodUid, request.CheckpointId)))
        {
            return Response(done);
        }

        // The operation goes on when its caller hangs up: half a dump helps nobody.
        return await _running.GetOrAdd(key, _ => New(request, key)).Response.Value.WaitAsync(cancellationToken);
    }

    private (CheckpointOperation Operation, Lazy<Task<CheckpointResponse>> Response) New(
        CheckpointRequest request, ContainerKey key)
    {
        var operation = new CheckpointOperation(request);
        return (operation, new Lazy<Task<CheckpointResponse>>(() => Task.Run(async () =>
        {
            try
            {
                return await OperationMeter.CheckpointAsync(() => RunAsync(operation, key));
            }
            finally
            {
                // Whoever asks again finds it stored, or begins anew.
                _running.TryRemove(key, out _);
            }
        })));
    }

    /// <summary>Has the dumps that a fence was made for come to nothing: what has begun of them ends, nothing of them
    /// is stored or sealed any more. Other dumps of the pod are waited for. No call
    /// waits for the volume here.</summary>
    public async Task AbandonAsync(string podUid, CancellationToken cancellationToken)
    {
        foreach (var operation in _running.Where(o => o.Key.PodUid == podUid).Select(o => o.Value.Operation))
        {
            if (operation.Request.FenceHolder.Length == 0)
            {
                await operation.DumpedAsync(cancellationToken);
                continue;
            }

            _abandoned.Add(podUid, operation.Request.CheckpointId);
            if (await operation.AbandonAsync(time, cancellationToken) is { } dump)
            {
                dumper.Forget(operation.Request, dump);
            }
        }
    }

    /// <summary>Writes the marker over what stands, when the operator asks for it.</summary>
    /// <exception cref="RpcException">The pod went on before all was stored.</exception>
    public void Seal(string podUid, string checkpointId, IEnumerable<string> containers)
    {
        if (_abandoned.Has(podUid, checkpointId))
        {
            throw CheckpointOperation.Refused();
        }

        store.Seal(podUid, checkpointId, containers);
    }

    /// <summary>Completes when no dump of a pod, or of one checkpoint of it, is under way
    /// any more, however it ended.</summary>
    public async Task SettledAsync(string podUid, string? checkpointId, CancellationToken cancellationToken)
    {
        foreach (var operation in _running
            .Where(o => o.Key.PodUid == podUid && (checkpointId is null || o.Key.CheckpointId == checkpointId))
            .Select(o => o.Value.Response.Value))
        {
            await ((Task)operation.WaitAsync(cancellationToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Forgets what was abandoned of pods that have left this node.</summary>
    /// <param name="pods">Uids of the pods that the runtime has.</param>
    public void Forget(IReadOnlySet<string> pods) => _abandoned.Forget(pods);

    /// <summary>Whether any container of a pod is being dumped or stored here.</summary>
    public bool IsUnderWay(string podUid) => _running.Keys.Any(key => key.PodUid == podUid);

    /// <summary>How far the operation of a key has come; null when there is none.</summary>
    public CheckpointProgress? ProgressOf(WatchCheckpointRequest request)
    {
        var key = new ContainerKey(request.PodUid, request.CheckpointId, request.ContainerName);
        return store.Find(request.PodUid, request.CheckpointId, request.ContainerName) is { } done
            ? new CheckpointProgress
            {
                Phase = CheckpointPhases.Done,
                Bytes = (ulong)done.Size,
                TotalBytes = (ulong)done.Size,
            }
            : _progress.GetValueOrDefault(key);
    }

    private async Task<CheckpointResponse> RunAsync(CheckpointOperation operation, ContainerKey key)
    {
        var request = operation.Request;
        try
        {
            // kubelet's name for an archive has whole seconds: two dumps of a container would write over each other.
            var manifest = await _containers.RunAsync(
                (request.PodUid, request.ContainerName), () => DumpAndStoreAsync(operation, key), operation.Abandoned);
            await _checkpoints.RunAsync(
                (request.PodUid, request.CheckpointId), () => SealIfLastAsync(operation, manifest.Origin),
                operation.Abandoned);
            // Its manifest tells from now on.
            _progress.TryRemove(key, out _);
            return Response(manifest);
        }
        catch (Exception exception)
        {
            var failed = new CheckpointProgress { Phase = CheckpointPhases.Failed, Message = exception.Message };
            _progress[key] = failed;
            _ = Task.Delay(Remembered, time).ContinueWith(
                _ => _progress.TryRemove(KeyValuePair.Create(key, failed)), TaskScheduler.Default);
            throw exception switch
            {
                _ when operation.Abandoned.IsCancellationRequested => CheckpointOperation.Refused(exception),
                CorruptArtifactException corrupt =>
                    Refusal.Because(StatusCode.DataLoss, Reasons.CheckpointFailed, corrupt.Message, corrupt),
                // Nobody knows when there will be room, and the pod stands still.
                _ when FullDisk.RefusalOf(exception, options.Value) is { } full => full,
                _ when AbsentVolume.IsMeantBy(exception) => AbsentVolume.RefusalOf(exception, options.Value),
                _ => exception,
            };
        }
    }

    private async Task<ContainerManifest> DumpAndStoreAsync(CheckpointOperation operation, ContainerKey key)
    {
        var request = operation.Request;
        if (store.Find(request.PodUid, request.CheckpointId, request.ContainerName) is { } done)
        {
            return done;
        }

        var containers = await runtime.ContainersAsync(request.PodUid, CancellationToken.None);
        var container = containers.FirstOrDefault(c => c.Name == request.ContainerName)
            ?? throw Refusal.Because(
                StatusCode.FailedPrecondition,
                Reasons.PodNotRunning,
                $"container {request.ContainerName} of pod {request.PodName} ({request.PodUid}) does not run on this "
                    + "node");
        if (container.CriuConfig is { } options)
        {
            // As root, and on this node: it could name programs to run, and the fence's own options would not be read.
            throw Refusal.Because(
                StatusCode.FailedPrecondition,
                Reasons.PodNotMigratable,
                $"container {request.ContainerName} was created with the annotation {WellKnown.CriuConfig}: "
                    + $"{options}, and CRIU would take its options from there; create the pod without it");
        }

        var fence = fences.FindForDump(request.PodUid, request.FenceHolder);
        _progress[key] = new CheckpointProgress { Phase = CheckpointPhases.Dumping };
        using var beginning = archives.Watch(request);
        var dumping = operation.Dump(abandoned => dumper.DumpAsync(request, container, fence, abandoned));
        Task<ContainerManifest> StoreAsync(Stream tar, Func<Task<Dump>> dump) => store.WriteAsync(
            request.PodUid,
            request.CheckpointId,
            request.ContainerName,
            tar,
            async () => OriginOf(request, container, fence, await dump()),
            new StoredBytes(
                bytes => _progress[key] =
                    new CheckpointProgress { Phase = CheckpointPhases.Storing, Bytes = (ulong)bytes }),
            operation.Abandoned);

        var manifest = await beginning.FollowAsync(dumping, StoreAsync);
        var dump = await dumping;
        if (manifest is null)
        {
            await using var tar = File.OpenRead(dump.Tar);
            manifest = await StoreAsync(tar, () => dumping);
        }

        OperationMeter.Stored(manifest, dump.Took, Stopwatch.GetElapsedTime(dump.Ended));
        dumper.Forget(request, dump);
        return manifest;
    }

    private Origin OriginOf(
        CheckpointRequest request, RunningContainer container, FenceRecord? fence, Dump dump) => new()
    {
        PodNamespace = request.PodNamespace,
        PodName = request.PodName,
        NodeName = options.Value.NodeName,
        ImageReference = container.Image,
        ImageID = container.ImageId,
        Runtime = $"{NodeFacts.Runtime} {facts.RuntimeVersion}",
        CriuVersion = facts.CriuVersion,
        KernelVersion = facts.KernelVersion,
        Architecture = facts.Architecture,
        CpuModel = facts.CpuModel,
        CpuFeatures = facts.CpuFeatures,
        TcpPolicy = fence?.TcpPolicy ?? "",
        LeftStopped = dump.LeftStopped,
        StoppedAt = dump.StoppedAt,
        KubeletCallMicroseconds = (long)dump.Took.TotalMicroseconds,
    };

    /// <summary>When all containers stand, and so every process is stopped: the volumes, then the marker.</summary>
    private async Task SealIfLastAsync(CheckpointOperation operation, Origin origin)
    {
        var request = operation.Request;
        if (request.SealContainers.Count == 0
            || store.IsSealed(request.PodUid, request.CheckpointId)
            || request.SealContainers.Any(c => store.Find(request.PodUid, request.CheckpointId, c) is null))
        {
            return;
        }

        if (request.VolumeNames.Count > 0 && fences.Find(request.PodUid) is null)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.CheckpointFailed,
                "the content of volumes is taken of fenced pods only: the processes would write on");
        }

        foreach (var volume in request.VolumeNames)
        {
            await volumes.StoreAsync(request.PodUid, request.CheckpointId, volume, origin, operation.Abandoned);
        }

        await operation.SealAsync(() => store.Seal(
            request.PodUid, request.CheckpointId,
            [.. request.SealContainers, .. request.VolumeNames.Select(CheckpointStore.NameOfVolume)]));
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
