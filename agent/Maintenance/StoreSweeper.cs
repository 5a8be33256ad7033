using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Maintenance;

namespace PodCheckpointing.Agent.Maintenance;

/// <summary>Removes partial files and empty folders that dead writers left on the volume.</summary>
/// <remarks>
/// One agent at a time, and all of them together once in an hour; the storage component's locks and the volume's clock
/// see to both. A checkpoint without a marker stays: the operator may go on with it, and only it knows when it will
/// not.
/// </remarks>
internal sealed class StoreSweeper(
    Checkpointer checkpointer, DumpJournal journal, StoreMarks marks, IOptions<AgentOptions> options, TimeProvider time,
    ILogger<StoreSweeper> logger)
    : PeriodicTask("remove leftovers of dead writers from the volume", PollInterval, atOnce: false, time, logger)
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Period = TimeSpan.FromHours(1);

    /// <summary>No operator asks for what has come of a dump after so long.</summary>
    private static readonly TimeSpan Abandoned = TimeSpan.FromHours(6);

    /// <summary>Removes what is old and what nobody holds; returns how much that was.</summary>
    public int Sweep(CancellationToken cancellationToken)
    {
        marks.Sweep(PollInterval);
        _ = journal.Sweep(Abandoned);
        var sweep = new SweepOptions
        {
            Remove = true,
            Unfinished = false,
            Every = Period,
            UnderWay = podUid => checkpointer.IsUnderWay(podUid) || journal.AnyPending(podUid),
        };
        return new StoreSweep(options.Value.StoreRoot, Time).Run(sweep, cancellationToken).Count(
            leftover => leftover.Removed);
    }

    /// <inheritdoc/>
    protected override Task DoAsync(CancellationToken cancellationToken) => OnOwnThread(() =>
    {
        if (Sweep(cancellationToken) is > 0 and var removed)
        {
            AgentLog.StoreSwept(Logger, removed);
        }
    });
}
