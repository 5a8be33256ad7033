using Google.Protobuf;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Unit.Manager;

/// <summary>The agent of one node of a <see cref="MigrationWorld"/>: it answers as it was told to, and is asked
/// only for what is on its node.</summary>
internal sealed class NodeAgent(MigrationWorld world, string node) : ICheckpointAgent
{
    private readonly Dictionary<Type, object> _answers = [];
    private readonly List<Action> _unanswered = [];

    public string NodeName => node;

    public TimeSpan ClockOffset { get; set; }

    /// <summary>It answers so from now on, also to what it has been asked already; what it has no answer for stays
    /// under way.</summary>
    public void Answer(Type call, object answer)
    {
        _answers[call] = answer;
        _unanswered.ForEach(tell => tell());
    }

    /// <summary>It answers such calls never, from now on.</summary>
    public void Hang(Type call) => _answers.Remove(call);

    public Task<GetCapabilitiesResponse> GetCapabilitiesAsync(
        GetCapabilitiesRequest request, CancellationToken cancellationToken) =>
        AskAsync<GetCapabilitiesResponse>(
            request, request.LeaveMark ? IsAt(request.PodUid) : node != MigrationWorld.Source);

    public Task<FenceResponse> FenceAsync(FenceRequest request, CancellationToken cancellationToken) =>
        AskAsync<FenceResponse>(request, IsAt(request.PodUid));

    public Task<UnfenceResponse> UnfenceAsync(UnfenceRequest request, CancellationToken cancellationToken) =>
        AskAsync<UnfenceResponse>(request, IsAt(request.PodUid));

    public Task<EndProcessesResponse> EndProcessesAsync(
        EndProcessesRequest request, CancellationToken cancellationToken) =>
        AskAsync<EndProcessesResponse>(request, IsAt(request.PodUid));

    // Where its node is lost, any other is asked for what stands on the volume.
    public Task<CheckpointResponse> CheckpointAsync(CheckpointRequest request, CancellationToken cancellationToken) =>
        AskAsync<CheckpointResponse>(request, IsAt(request.PodUid) || !world.IsReady(world.HomeOf(request.PodUid)!));

    public Task<SealResponse> SealAsync(SealRequest request, CancellationToken cancellationToken) =>
        AskAsync<SealResponse>(request, isItsOwn: true);

    public Task<DeleteCheckpointResponse> DeleteCheckpointAsync(
        DeleteCheckpointRequest request, CancellationToken cancellationToken)
    {
        var container = request.ContainerName.Length > 0 ? $"/{request.ContainerName}" : "";
        world.Removed.Add($"{request.PodUid}/{request.CheckpointId}{container}");
        world.OnRemoved();
        return AskAsync<DeleteCheckpointResponse>(request, isItsOwn: true);
    }

    public Task<VerifyCheckpointResponse> VerifyCheckpointAsync(
        VerifyCheckpointRequest request, CancellationToken cancellationToken) =>
        AskAsync<VerifyCheckpointResponse>(request, isItsOwn: true);

    public IAsyncEnumerable<StoredCheckpoint> ListCheckpointsAsync(CancellationToken cancellationToken) =>
        world.Stored.ToAsyncEnumerable();

    public Task<PrepareRestoreResponse> PrepareRestoreAsync(
        PrepareRestoreRequest request, CancellationToken cancellationToken) =>
        AskAsync<PrepareRestoreResponse>(request, IsAt(request.PodUid));

    public Task<StageAheadResponse> StageAheadAsync(StageAheadRequest request, CancellationToken cancellationToken) =>
        AskAsync<StageAheadResponse>(request, IsAt(request.PodUid));

    public Task<HoldAddressesResponse> HoldAddressesAsync(
        HoldAddressesRequest request, CancellationToken cancellationToken) =>
        AskAsync<HoldAddressesResponse>(request, node == MigrationWorld.Target);

    public Task<ReleaseRestoreResponse> ReleaseRestoreAsync(
        ReleaseRestoreRequest request, CancellationToken cancellationToken) =>
        AskAsync<ReleaseRestoreResponse>(request, IsAt(request.PodUid));

    public Task<CancelRestoreResponse> CancelRestoreAsync(
        CancelRestoreRequest request, CancellationToken cancellationToken) =>
        AskAsync<CancelRestoreResponse>(request, IsAt(request.PodUid));

    public Task<GetRestoreResponse> GetRestoreAsync(GetRestoreRequest request, CancellationToken cancellationToken) =>
        AskAsync<GetRestoreResponse>(request, IsAt(request.PodUid));

    private bool IsAt(string pod) => world.HomeOf(pod) is not { } home || home == node;

    private Task<T> AskAsync<T>(IMessage request, bool isItsOwn)
    {
        world.Calls.Add((node, request));
        if (!isItsOwn)
        {
            world.Astray.Add($"node {node} was asked {request.Descriptor.Name} {request}");
            throw new InvalidOperationException(world.Astray[^1]);
        }

        var asked = new TaskCompletionSource<T>();
        void Tell()
        {
            switch (_answers.GetValueOrDefault(typeof(T)))
            {
                case AgentException refusal:
                    asked.TrySetException(refusal);
                    break;
                case GetCapabilitiesResponse answer:
                    asked.TrySetResult((T)(object)new GetCapabilitiesResponse(answer) { NodeName = node });
                    break;
                case { } answer:
                    asked.TrySetResult((T)answer);
                    break;
            }
        }

        _unanswered.Add(Tell);
        Tell();
        return asked.Task;
    }
}
