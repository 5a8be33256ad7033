using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Routing;
using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Api.Agent;

/// <summary>Serves CheckpointService; see checkpoint.proto for each method.</summary>
public abstract class CheckpointServiceBase
{
    /// <summary>The trailer that carries the CamelCase reason of a failure.</summary>
    public const string ReasonTrailer = "podcheckpointing-reason";

    /// <summary>Dumps and stores one container.</summary>
    public abstract Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, ServerCallContext context);

    /// <summary>Makes an OCI image of a checkpoint. Not every agent can.</summary>
    public virtual Task<ConvertResponse> ConvertCheckpointToImageAsync(ConvertRequest request, ServerCallContext context) =>
        throw new RpcException(new Status(
            StatusCode.Unimplemented, "this agent makes no images yet; restore through the runtime handler"));

    /// <summary>Progress of a checkpoint.</summary>
    public abstract IAsyncEnumerable<CheckpointProgress> WatchCheckpointAsync(
        WatchCheckpointRequest request, ServerCallContext context);

    /// <summary>What the node can do.</summary>
    public abstract Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, ServerCallContext context);

    /// <summary>Puts a fence before a pod.</summary>
    public abstract Task<FenceResponse> FenceAsync(FenceRequest request, ServerCallContext context);

    /// <summary>Takes the fence away.</summary>
    public abstract Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, ServerCallContext context);

    /// <summary>Stages a container for its restore.</summary>
    public abstract Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, ServerCallContext context);

    /// <summary>How far a restore has come.</summary>
    public abstract Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, ServerCallContext context);

    /// <summary>Writes the marker.</summary>
    public abstract Task<SealResponse> SealAsync(SealRequest request, ServerCallContext context);

    /// <summary>Removes bytes.</summary>
    public abstract Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, ServerCallContext context);

    /// <summary>Compares every digest.</summary>
    public abstract Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, ServerCallContext context);

    /// <summary>Serves every method.</summary>
    public void Map(IEndpointRouteBuilder endpoints)
    {
        const string Prefix = CheckpointServiceClient.Prefix;
        endpoints.MapUnary(Prefix + "Checkpoint", CheckpointRequest.Parser, CheckpointAsync);
        endpoints.MapUnary(Prefix + "ConvertCheckpointToImage", ConvertRequest.Parser, ConvertCheckpointToImageAsync);
        endpoints.MapServerStreaming(Prefix + "WatchCheckpoint", WatchCheckpointRequest.Parser, WatchCheckpointAsync);
        endpoints.MapUnary(Prefix + "GetCapabilities", GetCapabilitiesRequest.Parser, GetCapabilitiesAsync);
        endpoints.MapUnary(Prefix + "Fence", FenceRequest.Parser, FenceAsync);
        endpoints.MapUnary(Prefix + "Unfence", UnfenceRequest.Parser, UnfenceAsync);
        endpoints.MapUnary(Prefix + "PrepareRestore", PrepareRestoreRequest.Parser, PrepareRestoreAsync);
        endpoints.MapUnary(Prefix + "GetRestore", GetRestoreRequest.Parser, GetRestoreAsync);
        endpoints.MapUnary(Prefix + "Seal", SealRequest.Parser, SealAsync);
        endpoints.MapUnary(Prefix + "DeleteCheckpoint", DeleteCheckpointRequest.Parser, DeleteCheckpointAsync);
        endpoints.MapUnary(Prefix + "VerifyCheckpoint", VerifyCheckpointRequest.Parser, VerifyCheckpointAsync);
        endpoints.MapUnimplemented();
    }
}
