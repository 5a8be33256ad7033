using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.Agents;

/// <summary>The checkpoint agent of one node, as the reconcilers see it.</summary>
/// <remarks>Failures are <see cref="AgentException"/>s, which say whether another attempt can help.</remarks>
internal interface ICheckpointAgent
{
    string NodeName { get; }

    /// <summary>How far the node's clock is ahead of ours, by the best exchange so far.</summary>
    TimeSpan ClockOffset { get; }

    Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, CancellationToken cancellationToken);

    Task<FenceResponse> FenceAsync(FenceRequest request, CancellationToken cancellationToken);

    Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, CancellationToken cancellationToken);

    Task<EndProcessesResponse> EndProcessesAsync(EndProcessesRequest request, CancellationToken cancellationToken);

    Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, CancellationToken cancellationToken);

    Task<SealResponse> SealAsync(SealRequest request, CancellationToken cancellationToken);

    Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request,
        CancellationToken cancellationToken);

    Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request,
        CancellationToken cancellationToken);

    IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(CancellationToken cancellationToken);

    Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request,
        CancellationToken cancellationToken);

    Task<StageAheadResponse> StageAheadAsync(StageAheadRequest request, CancellationToken cancellationToken);

    Task<HoldAddressesResponse> HoldAddressesAsync(HoldAddressesRequest request, CancellationToken cancellationToken);

    Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, CancellationToken cancellationToken);

    Task<CancelRestoreResponse> CancelRestoreAsync(CancelRestoreRequest request, CancellationToken cancellationToken);

    Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, CancellationToken cancellationToken);
}

/// <summary>Finds the agent of a node.</summary>
internal interface IAgentDirectory
{
    /// <summary>The agent of a node, or null when the node is unknown or has no address.</summary>
    ICheckpointAgent? Find(string nodeName);

    /// <summary>The agent of a node.</summary>
    /// <exception cref="AgentException">The node is unknown or has no address.</exception>
    ICheckpointAgent Require(string nodeName) => Find(nodeName)
        ?? throw new AgentException(
            Reasons.AgentUnavailable, $"node {nodeName} does not exist or has no address", isTerminal: false);

    /// <summary>The agents of all nodes that are ready, and not out of service; any of them
    /// reaches the shared volume.</summary>
    IEnumerable<ICheckpointAgent> Ready();
}
