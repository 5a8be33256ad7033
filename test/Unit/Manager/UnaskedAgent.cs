using PodCheckpointing.Api.Protos;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Unit.Manager;

/// <summary>An agent that nothing may be asked of, but what a test overrides.</summary>
internal abstract class UnaskedAgent(string node) : ICheckpointAgent
{
    public string NodeName => node;

    public TimeSpan ClockOffset => TimeSpan.Zero;

    public virtual Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<FenceResponse> FenceAsync(FenceRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<EndProcessesResponse> EndProcessesAsync(
        EndProcessesRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<SealResponse> SealAsync(SealRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<StageAheadResponse> StageAheadAsync(StageAheadRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<HoldAddressesResponse> HoldAddressesAsync(
        HoldAddressesRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
