using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Agents;

/// <summary>The checkpoint agent of one node, as the reconcilers see it.</summary>
/// <remarks>Failures are <see cref="AgentException"/>s, which say whether another attempt can help.</remarks>
internal interface ICheckpointAgent
{
    string NodeName { get; }

    /// <summary>How far the node's clock is ahead of ours, by the best exchange so far.</summary>
    TimeSpan ClockOffset { get; }

    Task<GetCapabilitiesResponse> GetCapabilitiesAsync(GetCapabilitiesRequest request, CancellationToken cancellationToken);

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

    Task<ReleaseRestoreResponse> ReleaseRestoreAsync(ReleaseRestoreRequest request, CancellationToken cancellationToken);

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
        ?? throw new AgentException(Reasons.AgentUnavailable, $"node {nodeName} does not exist or has no address", isTerminal: false);

    /// <summary>Asks agents of ready nodes, one after the other, until one answers: for what any of them can do.</summary>
    /// <param name="first">The node to ask first, where it is ready; null: any.</param>
    /// <param name="leadership">Looked at before each.</param>
    /// <param name="call">The question.</param>
    /// <exception cref="AgentException">An agent's answer; or none has answered.</exception>
    async Task<T> AskAnyAsync<T>(string? first, ILeadership? leadership, Func<ICheckpointAgent, Task<T>> call)
    {
        const int Mounts = 3;
        AgentException? silent = null;
        var refusals = 0;
        foreach (var agent in Ready().OrderByDescending(a => a.NodeName == first).ToList())
        {
            leadership?.Demand();
            try
            {
                return await call(agent);
            }
            catch (AgentException exception) when (exception.Reason is Reasons.AgentUnavailable or Reasons.AgentFailed or Reasons.StoreUnavailable)
            {
                // A node may be ready and run no agent, or a broken one, or have lost its mount. What the volume says tells more than silence.
                silent = exception.Reason == Reasons.StoreUnavailable ? exception : silent ?? exception;
                // After so many it is the volume, which takes its time on every node, and not a mount.
                if (exception.Reason == Reasons.StoreUnavailable && ++refusals == Mounts)
                {
                    throw;
                }
            }
        }

        throw silent ?? new AgentException(Reasons.AgentUnavailable, "no node with an agent is ready", isTerminal: false);
    }

    /// <summary>The agents of all nodes that are ready, and not out of service; any of them reaches the shared volume.</summary>
    IEnumerable<ICheckpointAgent> Ready();
}
