using System.Collections.Concurrent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Metrics;

/// <summary>Counts migrations and checkpoints as they end, from what the API server tells.</summary>
/// <remarks>Only the leader counts, so that one migration is one; what ended before this process began, another has
/// counted. Not counted: what ends in the moment in which its operator dies.</remarks>
internal sealed class EndedObjects(ILeadership leadership, TimeProvider time)
{
    // Conditions tell whole seconds.
    private readonly DateTime _began = time.GetUtcNow().UtcDateTime.AddSeconds(-1);
    private readonly LastSeen<bool> _migrations = new(time);
    private readonly LastSeen<(string?, string?)> _checkpoints = new(time);

    public bool Leads => leadership.Leads;

    public void Observe(PodMigration migration)
    {
        if (migration.Status is not { CompletionTime: { } end } status || migration.Spec.DryRun == true
            || !_migrations.IsNew(migration.Metadata.Uid!, true, out _) || !Leads || end < _began)
        {
            return;
        }

        var success = status.Conditions.IsTrue(ConditionTypes.Ready);
        var why = status.Conditions.Find(success ? ConditionTypes.Ready : ConditionTypes.RolledBack)?.Reason;
        var result = success ? "success" : IsAborted(status.Outcome, why)
            ? "aborted"
            : status.Conditions.IsTrue(ConditionTypes.Validated) ? "failure" : "refused";
        OperatorMetrics.Migrations.Count(result);
        OperatorMetrics.MigrationOutcomes.Count(
            status.Outcome ?? OperatorMetrics.None, OperatorMetrics.ReasonWord(why));
        if (status.Outcome == Outcomes.Lost)
        {
            OperatorMetrics.PodsLost.Count();
        }

        var began = status.StartTime ?? migration.Metadata.CreationTimestamp ?? end;
        OperatorMetrics.MigrationDuration.Record(Seconds(began, end), result);
        foreach (var step in status.Steps ?? [])
        {
            if (step is { StartedAt: { } from, FinishedAt: { } to })
            {
                OperatorMetrics.MigrationSteps.Record(Seconds(from, to), step.Name);
            }
        }

        if (success && status.DowntimeMilliseconds is { } downtime)
        {
            // Two clocks, and what lies between them is an estimate.
            OperatorMetrics.MigrationDowntime.Record(Math.Max(0, downtime) / 1000.0);
        }

        if (success && status.CheckpointBytes is { } bytes)
        {
            OperatorMetrics.MigrationSize.Record(bytes);
        }
    }

    public void Observe(PodCheckpoint checkpoint)
    {
        var ready = checkpoint.Status?.Conditions.Find(ConditionTypes.Ready);
        if (!_checkpoints.IsNew(checkpoint.Metadata.Uid!, (ready?.Status, ready?.Reason), out var took)
            || ready is null || !Leads || ready.LastTransitionTime < _began)
        {
            return;
        }

        OperatorMetrics.CheckpointReady.Count(ready.Status, OperatorMetrics.ReasonWord(ready.Reason));
        if (checkpoint.Status!.Ready == true)
        {
            OperatorMetrics.Checkpoints.Count("success");
            OperatorMetrics.CheckpointSize.Record(checkpoint.Status.Size ?? 0);
            // As seen here, for the API server's times are whole seconds. One that
            // began before this process says nothing.
            if (checkpoint.Metadata.CreationTimestamp >= _began)
            {
                OperatorMetrics.CheckpointDuration.Record(took.TotalSeconds);
            }
        }
        else if (checkpoint.Status.Error is not null)
        {
            OperatorMetrics.Checkpoints.Count("failure");
        }
    }

    /// <summary>How long the oldest migration is under way, by its startTime: one that waits for a slot has none. One
    /// that is left for inspection would hide those that are stuck, until somebody wants it back.</summary>
    public double OldestAge(IEnumerable<PodMigration> migrations)
    {
        var now = time.GetUtcNow().UtcDateTime;
        return migrations.Where(m => m.Status is { CompletionTime: null, StartTime: not null } && !m.IsLeft())
            .Select(m => Seconds(m.Status!.StartTime!.Value, now)).DefaultIfEmpty(0).Max();
    }

    /// <summary>Whether somebody has ended it, or its pod before anything of that was
    /// stopped: nothing has failed.</summary>
    private static bool IsAborted(string? outcome, string? reason) => outcome switch
    {
        Outcomes.SourceGone => true,
        null or Outcomes.RolledBack => reason == Reasons.Aborted,
        _ => false,
    };

    private static double Seconds(DateTime from, DateTime to) => Math.Max(0, (to - from).TotalSeconds);

    /// <summary>What was last seen of each object.</summary>
    private sealed class LastSeen<T>(TimeProvider time)
    {
        /// <summary>Objects go unseen; the oldest ones are forgotten, for nobody speaks of those again.</summary>
        private const int Most = 20_000;

        private readonly ConcurrentDictionary<string, (T Value, long First)> _seen = new();
        private readonly ConcurrentQueue<string> _order = new();

        /// <summary>Notes a value.</summary>
        /// <returns>Whether it is another one than before, and how long ago the object was first seen.</returns>
        public bool IsNew(string uid, T value, out TimeSpan since)
        {
            if (_seen.TryGetValue(uid, out var last))
            {
                _seen[uid] = last with { Value = value };
                since = time.GetElapsedTime(last.First);
                return !EqualityComparer<T>.Default.Equals(last.Value, value);
            }

            since = TimeSpan.Zero;
            _seen[uid] = (value, time.GetTimestamp());
            _order.Enqueue(uid);
            if (_order.Count > Most && _order.TryDequeue(out var oldest))
            {
                _seen.TryRemove(oldest, out _);
            }

            return true;
        }
    }
}
