using Google.Protobuf;
using Grpc.Core;
using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Api.Agent;

/// <summary>The methods of CheckpointService, once for client and server.</summary>
internal static class CheckpointMethods
{
    public const string Service = "podcheckpointing.v1.CheckpointService";

    public static readonly Method<CheckpointRequest, CheckpointResponse> Checkpoint =
        Unary("Checkpoint", CheckpointRequest.Parser, CheckpointResponse.Parser);

    public static readonly Method<ConvertRequest, ConvertResponse> ConvertCheckpointToImage =
        Unary("ConvertCheckpointToImage", ConvertRequest.Parser, ConvertResponse.Parser);

    public static readonly Method<WatchCheckpointRequest, CheckpointProgress> WatchCheckpoint =
        Unary("WatchCheckpoint", WatchCheckpointRequest.Parser, CheckpointProgress.Parser) with
        {
            Type = MethodType.ServerStreaming,
        };

    public static readonly Method<GetCapabilitiesRequest, GetCapabilitiesResponse> GetCapabilities =
        Unary("GetCapabilities", GetCapabilitiesRequest.Parser, GetCapabilitiesResponse.Parser);

    public static readonly Method<FenceRequest, FenceResponse> Fence =
        Unary("Fence", FenceRequest.Parser, FenceResponse.Parser);

    public static readonly Method<UnfenceRequest, UnfenceResponse> Unfence =
        Unary("Unfence", UnfenceRequest.Parser, UnfenceResponse.Parser);

    public static readonly Method<EndProcessesRequest, EndProcessesResponse> EndProcesses =
        Unary("EndProcesses", EndProcessesRequest.Parser, EndProcessesResponse.Parser);

    public static readonly Method<PrepareRestoreRequest, PrepareRestoreResponse> PrepareRestore =
        Unary("PrepareRestore", PrepareRestoreRequest.Parser, PrepareRestoreResponse.Parser);

    public static readonly Method<StageAheadRequest, StageAheadResponse> StageAhead =
        Unary("StageAhead", StageAheadRequest.Parser, StageAheadResponse.Parser);

    public static readonly Method<GetRestoreRequest, GetRestoreResponse> GetRestore =
        Unary("GetRestore", GetRestoreRequest.Parser, GetRestoreResponse.Parser);

    public static readonly Method<HoldAddressesRequest, HoldAddressesResponse> HoldAddresses =
        Unary("HoldAddresses", HoldAddressesRequest.Parser, HoldAddressesResponse.Parser);

    public static readonly Method<ReleaseRestoreRequest, ReleaseRestoreResponse> ReleaseRestore =
        Unary("ReleaseRestore", ReleaseRestoreRequest.Parser, ReleaseRestoreResponse.Parser);

    public static readonly Method<CancelRestoreRequest, CancelRestoreResponse> CancelRestore =
        Unary("CancelRestore", CancelRestoreRequest.Parser, CancelRestoreResponse.Parser);

    public static readonly Method<SealRequest, SealResponse> Seal =
        Unary("Seal", SealRequest.Parser, SealResponse.Parser);

    public static readonly Method<DeleteCheckpointRequest, DeleteCheckpointResponse> DeleteCheckpoint =
        Unary("DeleteCheckpoint", DeleteCheckpointRequest.Parser, DeleteCheckpointResponse.Parser);

    public static readonly Method<VerifyCheckpointRequest, VerifyCheckpointResponse> VerifyCheckpoint =
        Unary("VerifyCheckpoint", VerifyCheckpointRequest.Parser, VerifyCheckpointResponse.Parser);

    public static readonly Method<ListCheckpointsRequest, StoredCheckpoint> ListCheckpoints =
        Unary("ListCheckpoints", ListCheckpointsRequest.Parser, StoredCheckpoint.Parser) with
        {
            Type = MethodType.ServerStreaming,
        };

    private static Method<TRequest, TResponse> Unary<TRequest, TResponse>(
        string name, MessageParser<TRequest> request, MessageParser<TResponse> response)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        new(MethodType.Unary, Service, name, Marshallers.For(request), Marshallers.For(response));
}
