using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Routing;
using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Api.Agent;

/// <summary>Serves CheckpointService; see checkpoint.proto for each method. What is not overridden is UNIMPLEMENTED.</summary>
public abstract class CheckpointServiceBase
{
    /// <summary>The trailer that carries the CamelCase reason of a failure.</summary>
    public const string ReasonTrailer = AgentReasons.ReasonTrailer;

    /// <summary>Dumps and stores one container.</summary>
    public virtual Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Makes an OCI image of a checkpoint. Not every agent can.</summary>
    public virtual Task<ConvertResponse> ConvertCheckpointToImageAsync(ConvertRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Progress of a checkpoint.</summary>
    public virtual IAsyncEnumerable<CheckpointProgress> WatchCheckpointAsync(
        WatchCheckpointRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>What the node can do.</summary>
    public virtual Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Puts a fence before a pod.</summary>
    public virtual Task<FenceResponse> FenceAsync(FenceRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Takes the fence away.</summary>
    public virtual Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Stages a container for its restore.</summary>
    public virtual Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Begins to stage what is still being written.</summary>
    public virtual Task<StageAheadResponse> StageAheadAsync(StageAheadRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>How far a restore has come.</summary>
    public virtual Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Closes the node to a pod's addresses, or opens it again.</summary>
    public virtual Task<HoldAddressesResponse> HoldAddressesAsync(
        HoldAddressesRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Lets a restored pod run.</summary>
    public virtual Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Ends a restore that is not wanted any more.</summary>
    public virtual Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Writes the marker.</summary>
    public virtual Task<SealResponse> SealAsync(SealRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Removes bytes.</summary>
    public virtual Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Compares every digest.</summary>
    public virtual Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>What the volume holds.</summary>
    public virtual IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(
        ListCheckpointsRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Serves every method.</summary>
    public void Map(IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGrpcMethod(CheckpointMethods.Checkpoint, CheckpointAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.ConvertCheckpointToImage, ConvertCheckpointToImageAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.WatchCheckpoint, WatchCheckpointAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.GetCapabilities, GetCapabilitiesAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.Fence, FenceAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.Unfence, UnfenceAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.PrepareRestore, PrepareRestoreAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.StageAhead, StageAheadAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.GetRestore, GetRestoreAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.HoldAddresses, HoldAddressesAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.ReleaseRestore, ReleaseRestoreAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.CancelRestore, CancelRestoreAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.Seal, SealAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.DeleteCheckpoint, DeleteCheckpointAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.VerifyCheckpoint, VerifyCheckpointAsync);
        endpoints.MapGrpcMethod(CheckpointMethods.ListCheckpoints, ListCheckpointsAsync);
        endpoints.MapUnimplemented();
    }

    private static RpcException Missing(ServerCallContext context) =>
        new(new Status(StatusCode.Unimplemented, $"this agent does not serve {context.Method}"));
}
