using Grpc.Core;
using Grpc.Net.Client;
using PodCheckpointing.Api.Protos;

namespace PodCheckpointing.Api.Agent;

/// <summary>Calls CheckpointService; see checkpoint.proto for each method. Failures are RpcExceptions.</summary>
/// <param name="channel">To the agent.</param>
/// <param name="node">Whose agent must answer: one of another node refuses. Null: any may.</param>
public sealed class CheckpointServiceClient(GrpcChannel channel, string? node = null)
{
    private readonly Metadata? _headers = node is null
        ? null
        : new Metadata { { CheckpointServiceBase.NodeHeader, node } };

    /// <summary>Dumps and stores one container.</summary>
    public Task<CheckpointResponse> CheckpointAsync(
        CheckpointRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.Checkpoint, request, timeout, cancellationToken);

    /// <summary>Makes an OCI image of a checkpoint.</summary>
    public Task<ConvertResponse> ConvertCheckpointToImageAsync(
        ConvertRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.ConvertCheckpointToImage, request, timeout, cancellationToken);

    /// <summary>Progress of a checkpoint.</summary>
    public IAsyncEnumerable<CheckpointProgress> WatchCheckpointAsync(
        WatchCheckpointRequest request, CancellationToken cancellationToken) =>
        channel.ServerStreamingCall(
            CheckpointMethods.WatchCheckpoint, request, Within(null, cancellationToken));

    /// <summary>What the node can do.</summary>
    public Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.GetCapabilities, request, timeout, cancellationToken);

    /// <summary>Puts a fence before a pod.</summary>
    public Task<FenceResponse> FenceAsync(
        FenceRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.Fence, request, timeout, cancellationToken);

    /// <summary>Takes the fence away.</summary>
    public Task<UnfenceResponse> UnfenceAsync(
        UnfenceRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.Unfence, request, timeout, cancellationToken);

    /// <summary>Kills what a fence keeps stopped.</summary>
    public Task<EndProcessesResponse> EndProcessesAsync(
        EndProcessesRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.EndProcesses, request, timeout, cancellationToken);

    /// <summary>Stages a container for its restore.</summary>
    public Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.PrepareRestore, request, timeout, cancellationToken);

    /// <summary>Begins to stage what is still being written.</summary>
    public Task<StageAheadResponse> StageAheadAsync(
        StageAheadRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.StageAhead, request, timeout, cancellationToken);

    /// <summary>How far a restore has come.</summary>
    public Task<GetRestoreResponse> GetRestoreAsync(
        GetRestoreRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.GetRestore, request, timeout, cancellationToken);

    /// <summary>Closes the node to a pod's addresses, or opens it again.</summary>
    public Task<HoldAddressesResponse> HoldAddressesAsync(
        HoldAddressesRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.HoldAddresses, request, timeout, cancellationToken);

    /// <summary>Lets a restored pod run.</summary>
    public Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.ReleaseRestore, request, timeout, cancellationToken);

    /// <summary>Ends a restore that is not wanted any more.</summary>
    public Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.CancelRestore, request, timeout, cancellationToken);

    /// <summary>Writes the marker.</summary>
    public Task<SealResponse> SealAsync(SealRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.Seal, request, timeout, cancellationToken);

    /// <summary>Removes bytes.</summary>
    public Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.DeleteCheckpoint, request, timeout, cancellationToken);

    /// <summary>Compares every digest.</summary>
    public Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        CallAsync(CheckpointMethods.VerifyCheckpoint, request, timeout, cancellationToken);

    /// <summary>What the volume holds.</summary>
    public IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(
        ListCheckpointsRequest request, TimeSpan? timeout, CancellationToken cancellationToken) =>
        channel.ServerStreamingCall(CheckpointMethods.ListCheckpoints, request, Within(timeout, cancellationToken));

    private Task<TResponse> CallAsync<TRequest, TResponse>(
        Method<TRequest, TResponse> method, TRequest request, TimeSpan? timeout, CancellationToken cancellationToken)
        where TRequest : class
        where TResponse : class =>
        channel.UnaryCallAsync(method, request, Within(timeout, cancellationToken));

    private CallOptions Within(TimeSpan? timeout, CancellationToken cancellationToken) =>
        channel.Within(timeout, cancellationToken) with { Headers = _headers };
}
