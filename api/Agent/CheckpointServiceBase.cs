using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Routing;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Api.Agent;

/// <summary>Serves CheckpointService; see checkpoint.proto for each method. What is not
/// overridden is UNIMPLEMENTED.</summary>
public abstract class CheckpointServiceBase
{
    /// <summary>Of the contract: an operator works only with agents of its own.</summary>
    public const uint ProtocolVersion = 1;

    /// <summary>The header that names the node whose agent is meant.</summary>
    /// <remarks>All agents have certificates of one name, and an address may go from one node to another: what another
    /// node knows of a pod proves nothing.</remarks>
    public const string NodeHeader = "checkpoint-node";

    /// <summary>The node of this agent; null answers for any.</summary>
    protected virtual string? NodeName => null;

    /// <summary>Dumps and stores one container.</summary>
    public virtual Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, ServerCallContext context) =>
        throw Missing(context);

    /// <summary>Makes an OCI image of a checkpoint. Not every agent can.</summary>
    public virtual Task<ConvertResponse> ConvertCheckpointToImageAsync(
        ConvertRequest request, ServerCallContext context) =>
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

    /// <summary>Kills what a fence keeps stopped.</summary>
    public virtual Task<EndProcessesResponse> EndProcessesAsync(
        EndProcessesRequest request, ServerCallContext context) =>
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
        Map(endpoints, CheckpointMethods.Checkpoint, CheckpointAsync);
        Map(endpoints, CheckpointMethods.ConvertCheckpointToImage, ConvertCheckpointToImageAsync);
        Map(endpoints, CheckpointMethods.WatchCheckpoint, WatchCheckpointAsync);
        Map(endpoints, CheckpointMethods.GetCapabilities, GetCapabilitiesAsync);
        Map(endpoints, CheckpointMethods.Fence, FenceAsync);
        Map(endpoints, CheckpointMethods.Unfence, UnfenceAsync);
        Map(endpoints, CheckpointMethods.EndProcesses, EndProcessesAsync);
        Map(endpoints, CheckpointMethods.PrepareRestore, PrepareRestoreAsync);
        Map(endpoints, CheckpointMethods.StageAhead, StageAheadAsync);
        Map(endpoints, CheckpointMethods.GetRestore, GetRestoreAsync);
        Map(endpoints, CheckpointMethods.HoldAddresses, HoldAddressesAsync);
        Map(endpoints, CheckpointMethods.ReleaseRestore, ReleaseRestoreAsync);
        Map(endpoints, CheckpointMethods.CancelRestore, CancelRestoreAsync);
        Map(endpoints, CheckpointMethods.Seal, SealAsync);
        Map(endpoints, CheckpointMethods.DeleteCheckpoint, DeleteCheckpointAsync);
        Map(endpoints, CheckpointMethods.VerifyCheckpoint, VerifyCheckpointAsync);
        Map(endpoints, CheckpointMethods.ListCheckpoints, ListCheckpointsAsync);
        endpoints.MapUnimplemented();
    }

    private void Map<TRequest, TResponse>(
        IEndpointRouteBuilder endpoints, Method<TRequest, TResponse> method,
        Func<TRequest, ServerCallContext, Task<TResponse>> handler)
        where TRequest : class
        where TResponse : class =>
        endpoints.MapGrpcMethod(
            method, (TRequest request, ServerCallContext context) => handler(request, Here(context)));

    private void Map<TRequest, TResponse>(
        IEndpointRouteBuilder endpoints, Method<TRequest, TResponse> method,
        Func<TRequest, ServerCallContext, IAsyncEnumerable<TResponse>> handler)
        where TRequest : class
        where TResponse : class =>
        endpoints.MapGrpcMethod(
            method, (TRequest request, ServerCallContext context) => handler(request, Here(context)));

    private ServerCallContext Here(ServerCallContext context) =>
        context.RequestHeaders.GetValue(NodeHeader) is { } meant && NodeName is { } here && meant != here
            ? throw new RpcException(
                new Status(
                    StatusCode.Unavailable,
                    $"the call is for the agent of node {meant}, and this is the one of node {here}"),
                new Metadata { { AgentReasons.ReasonTrailer, Reasons.AgentUnavailable } })
            : context;

    private static RpcException Missing(ServerCallContext context) =>
        new(new Status(StatusCode.Unimplemented, $"this agent does not serve {context.Method}"));
}
