using System.Runtime.CompilerServices;
using Google.Protobuf.WellKnownTypes;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Capabilities;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Fences;
using PodCheckpointing.Agent.Images;
using PodCheckpointing.Agent.Network;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent;

/// <summary>CheckpointService, method by method.</summary>
internal sealed class AgentService(
    Checkpointer checkpointer,
    RestoreStaging staging,
    RestoreRelease release,
    RestoreWatch restores,
    ImageConversion conversion,
    FenceBook fences,
    Thaw thaw,
    AddressHolds holds,
    ContainerRuntime runtime,
    CheckpointStore store,
    StoreCalls storeCalls,
    StoreInventory inventory,
    NodeCapabilities capabilities,
    DumpJournal journal,
    IOptions<AgentOptions> options,
    TimeProvider time) : CheckpointServiceBase
{
    protected override string NodeName => options.Value.NodeName;

    public override async Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, ServerCallContext context)
    {
        var received = time.UnixNanoseconds();
        var response = (await checkpointer.CheckpointAsync(request, context.CancellationToken)).Clone();
        response.Clock = Clock(received);
        return response;
    }

    public override Task<ConvertResponse> ConvertCheckpointToImageAsync(
        ConvertRequest request, ServerCallContext context) =>
        conversion.ConvertAsync(request, context.CancellationToken);

    public override IAsyncEnumerable<CheckpointProgress> WatchCheckpointAsync(
        WatchCheckpointRequest request, ServerCallContext context) => WatchAsync(request, context.CancellationToken);

    public override async Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, ServerCallContext context)
    {
        var received = time.UnixNanoseconds();
        var response = await capabilities.DescribeAsync(request, context.CancellationToken);
        response.Clock = Clock(received);
        return response;
    }

    public override async Task<FenceResponse> FenceAsync(FenceRequest request, ServerCallContext context)
    {
        var received = time.UnixNanoseconds();
        if (request.Holder.Length == 0)
        {
            throw Refusal.Because(
                StatusCode.InvalidArgument, Reasons.InvalidArgument, "holder is empty: name the migration's uid");
        }

        // A call that comes when the pod has left would leave a fence that nobody lifts.
        if (fences.Find(request.PodUid) is null && await HasLeftAsync(request.PodUid, context.CancellationToken))
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.PodNotRunning, $"pod {request.PodUid} is not on this node");
        }

        FenceRecord fence;
        try
        {
            fence = fences.Fence(request.PodUid, request.Holder, request.TcpPolicy);
        }
        catch (IOException exception) when (FullDisk.RefusalOf(exception, options.Value) is { } full)
        {
            throw full;
        }

        return new FenceResponse { FencedAt = Timestamp.FromDateTime(fence.FencedAt), Clock = Clock(received) };
    }

    public override async Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, ServerCallContext context)
    {
        var received = time.UnixNanoseconds();
        var (processes, continued) = await fences.LiftAsync(
            request.PodUid,
            request.Holder,
            async note => request.Resume
                ? await thaw.ContinueAsync(request.PodUid, note, context.CancellationToken)
                : 0);
        var response = new UnfenceResponse
        {
            Lifted = continued is not null, ResumedProcesses = (uint)processes, Clock = Clock(received),
        };
        response.ContainerNames.AddRange(continued ?? []);
        return response;
    }

    public override async Task<EndProcessesResponse> EndProcessesAsync(
        EndProcessesRequest request, ServerCallContext context) => new()
    {
        EndedProcesses = (uint)await thaw.EndAsync(request.PodUid, request.Holder, context.CancellationToken),
    };

    public override async Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, ServerCallContext context)
    {
        var received = time.UnixNanoseconds();
        var bytes = await staging.PrepareAsync(request, context.CancellationToken);
        return new PrepareRestoreResponse { StagedBytes = (ulong)bytes, Clock = Clock(received) };
    }

    public override Task<StageAheadResponse> StageAheadAsync(StageAheadRequest request, ServerCallContext context)
    {
        staging.Begin(request);
        return Task.FromResult(new StageAheadResponse());
    }

    public override async Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, ServerCallContext context)
    {
        // Measured at the answer: the wait in between is not the network's.
        var response = new GetRestoreResponse();
        response.Containers.AddRange(await restores.WatchAsync(request, context.CancellationToken));
        if (request.Until == RestorePhases.Waiting)
        {
            response.Addresses.AddRange(await runtime.AddressesAsync(request.PodUid, context.CancellationToken));
        }

        return response;
    }

    public override async Task<HoldAddressesResponse> HoldAddressesAsync(
        HoldAddressesRequest request, ServerCallContext context)
    {
        await (request.Addresses.Count > 0
            ? holds.HoldAsync(
                request.Holder, request.Addresses, TimeSpan.FromSeconds(request.ForSeconds), context.CancellationToken)
            : holds.LetGoAsync(request.Holder, context.CancellationToken));
        return new HoldAddressesResponse();
    }

    public override async Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, ServerCallContext context)
    {
        // From here on the pod answers for its connections itself.
        await (request.AddressHolder.Length > 0
            ? release.ReleaseAsync(
                request.PodUid, () => holds.LetGoAsync(request.AddressHolder, context.CancellationToken),
                context.CancellationToken)
            : release.ReleaseAsync(request.PodUid, context.CancellationToken));
        return new ReleaseRestoreResponse();
    }

    public override async Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, ServerCallContext context)
    {
        var hasRun =
            await release.CancelAsync(request.PodUid, request.Reason, request.UnlessRun, context.CancellationToken);
        return new CancelRestoreResponse
        {
            HasRun = hasRun,
            LiveContainers = (uint)await runtime.CountLiveAsync(request.PodUid, context.CancellationToken),
        };
    }

    public override async Task<SealResponse> SealAsync(SealRequest request, ServerCallContext context)
    {
        string[] parts = [.. request.ContainerNames, .. request.VolumeNames.Select(CheckpointStore.NameOfVolume)];
        try
        {
            return await storeCalls.AskAsync(
                () =>
                {
                    checkpointer.Seal(request.PodUid, request.CheckpointId, parts);
                    return new SealResponse
                    {
                        ArtifactUri = ArtifactUri.ForPod(request.PodUid, request.CheckpointId).ToString(),
                        CompressedSize = (ulong)parts.Sum(
                            part => store.Find(request.PodUid, request.CheckpointId, part)?.CompressedSize ?? 0),
                    };
                },
                context.CancellationToken);
        }
        catch (CorruptArtifactException exception)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.CheckpointFailed, exception.Message, exception);
        }
        catch (Exception exception) when (AbsentVolume.IsMeantBy(exception))
        {
            throw FullDisk.RefusalOf(exception, options.Value) ?? AbsentVolume.RefusalOf(exception, options.Value);
        }
    }

    public override async Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, ServerCallContext context)
    {
        try
        {
            // A dump under way would write its bytes after we have looked.
            await checkpointer.SettledAsync(request.PodUid, request.CheckpointId, context.CancellationToken)
                .WaitAsync(StoreCalls.Removal, time, context.CancellationToken);
        }
        catch (TimeoutException exception)
        {
            // No agent that knows nothing of it is asked instead: see AnyAgent of the operator.
            throw Refusal.Because(
                StatusCode.Unavailable, Reasons.CheckpointInProgress, "a dump of it is under way", exception);
        }

        journal.RemoveArchives(request.PodUid, request.CheckpointId);
        var container = request.ContainerName.Length == 0 ? null : request.ContainerName;
        return new DeleteCheckpointResponse
        {
            FreedBytes = (ulong)await inventory.RemoveAsync(
                request.PodUid, request.CheckpointId, container, context.CancellationToken),
        };
    }

    public override Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, ServerCallContext context) =>
        inventory.VerifyAsync(request, context.CancellationToken);

    public override IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(
        ListCheckpointsRequest request, ServerCallContext context) => inventory.ListAsync(context.CancellationToken);

    private async IAsyncEnumerable<CheckpointProgress> WatchAsync(
        WatchCheckpointRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        CheckpointProgress? last = null;
        while (true)
        {
            var progress =
                checkpointer.ProgressOf(request) ?? new CheckpointProgress { Phase = CheckpointPhases.Pending };
            if (!progress.Equals(last))
            {
                yield return progress;
                last = progress;
            }

            if (progress.Phase is CheckpointPhases.Done or CheckpointPhases.Failed)
            {
                yield break;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken);
        }
    }

    /// <summary>Whether the runtime says that it has nothing of a pod; one that does not answer says nothing.</summary>
    private async Task<bool> HasLeftAsync(string podUid, CancellationToken cancellationToken)
    {
        try
        {
            return !(await runtime.PodUidsAsync(cancellationToken)).Contains(podUid);
        }
        catch (RpcException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    private ClockSample Clock(
        long received) => new() { ReceivedUnixNanos = received, SentUnixNanos = time.UnixNanoseconds() };
}
