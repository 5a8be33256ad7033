using System.Diagnostics.CodeAnalysis;
using Grpc.Core;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>A container that is being dumped and stored, and perhaps sealed with others.</summary>
/// <remarks>
/// It can be abandoned: a pod that goes on waits for kubelet and CRIU, never for the volume, which may hang for as long
/// as its server is away. From then on nothing of it begins any more.
/// </remarks>
[SuppressMessage(
    "Design", "CA1001",
    Justification = "A source without timer and handle holds nothing, and whoever has the operation may abandon it "
        + "at any time")]
internal sealed class CheckpointOperation(CheckpointRequest request)
{
    /// <summary>For a seal that is being written when the pod is to go on: all that it counts was
    /// taken while the pod stood.</summary>
    private static readonly TimeSpan Sealing = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _abandoned = new();
    private readonly Lock _lock = new();
    private Task<Dump>? _dump;
    private Task? _seal;

    public CheckpointRequest Request { get; } = request;

    /// <summary>Ends when it is abandoned.</summary>
    public CancellationToken Abandoned => _abandoned.Token;

    /// <summary>Begins the dump.</summary>
    public Task<Dump> Dump(Func<CancellationToken, Task<Dump>> dumpAsync) => Unless(() => _dump = dumpAsync(Abandoned));

    /// <summary>Writes the marker.</summary>
    public Task SealAsync(Action seal) => Unless(() => _seal = Task.Run(seal));

    /// <summary>Lets nothing of it begin any more.</summary>
    /// <returns>The dump, when it has ended; null where there was none, or none has come of it.</returns>
    public async Task<Dump?> AbandonAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        await _abandoned.CancelAsync();
        Task? seal;
        lock (_lock)
        {
            seal = _seal;
        }

        if (seal is not null)
        {
            await seal.WaitAsync(Sealing, time, cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return await DumpedAsync(cancellationToken);
    }

    /// <summary>Waits for kubelet and CRIU.</summary>
    public async Task<Dump?> DumpedAsync(CancellationToken cancellationToken)
    {
        Task<Dump>? dump;
        lock (_lock)
        {
            dump = _dump;
        }

        if (dump is null)
        {
            return null;
        }

        await ((Task)dump.WaitAsync(cancellationToken)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        cancellationToken.ThrowIfCancellationRequested();
        return dump.IsCompletedSuccessfully ? await dump : null;
    }

    /// <summary>What a caller is told of an operation that was abandoned.</summary>
    public static RpcException Refused(Exception? inner = null) => Refusal.Because(
        StatusCode.FailedPrecondition, Reasons.CheckpointFailed,
        "the pod's fence is lifted, and the checkpoint with it given up", inner);

    private T Unless<T>(Func<T> begin)
    {
        lock (_lock)
        {
            return Abandoned.IsCancellationRequested ? throw Refused() : begin();
        }
    }
}
