using Google.Protobuf;
using Grpc.Net.Client;
using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Api.Agent;

/// <summary>Calls CheckpointService; see checkpoint.proto for each method. Failures are RpcExceptions.</summary>
public sealed class CheckpointServiceClient(GrpcChannel channel)
{
    internal const string Prefix = "/podcheckpointing.v1.CheckpointService/";

    /// <summary>Dumps and stores one container.</summary>
    public Task<CheckpointResponse> CheckpointAsync(
        CheckpointRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("Checkpoint", request, CheckpointResponse.Parser, timeout, cancellationToken);

    /// <summary>Progress of a checkpoint.</summary>
    public IAsyncEnumerable<CheckpointProgress> WatchCheckpointAsync(
        WatchCheckpointRequest request, CancellationToken cancellationToken) =>
        channel.StreamAsync(
            Prefix + "WatchCheckpoint", request, CheckpointProgress.Parser, timeout: null, cancellationToken);

    /// <summary>What the node can do.</summary>
    public Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("GetCapabilities", request, GetCapabilitiesResponse.Parser, timeout, cancellationToken);

    /// <summary>Puts a fence before a pod.</summary>
    public Task<FenceResponse> FenceAsync(
        FenceRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("Fence", request, FenceResponse.Parser, timeout, cancellationToken);

    /// <summary>Takes the fence away.</summary>
    public Task<UnfenceResponse> UnfenceAsync(
        UnfenceRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("Unfence", request, UnfenceResponse.Parser, timeout, cancellationToken);

    /// <summary>Stages a container for its restore.</summary>
    public Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("PrepareRestore", request, PrepareRestoreResponse.Parser, timeout, cancellationToken);

    /// <summary>How far a restore has come.</summary>
    public Task<GetRestoreResponse> GetRestoreAsync(
        GetRestoreRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("GetRestore", request, GetRestoreResponse.Parser, timeout, cancellationToken);

    /// <summary>Writes the marker.</summary>
    public Task<SealResponse> SealAsync(SealRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("Seal", request, SealResponse.Parser, timeout, cancellationToken);

    /// <summary>Removes bytes.</summary>
    public Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("DeleteCheckpoint", request, DeleteCheckpointResponse.Parser, timeout, cancellationToken);

    /// <summary>Compares every digest.</summary>
    public Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync("VerifyCheckpoint", request, VerifyCheckpointResponse.Parser, timeout, cancellationToken);

    private Task<TResponse> CallAsync<TResponse>(
        string method,
        IMessage request,
        MessageParser<TResponse> parser,
        TimeSpan? timeout,
        CancellationToken cancellationToken)
        where TResponse : class, IMessage<TResponse> =>
        channel.UnaryAsync(Prefix + method, request, parser, timeout, cancellationToken);
}
