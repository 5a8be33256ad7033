using k8s.Models;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>One run for one migration: what was read, and the status that it will write.</summary>
/// <param name="migration">The migration as it is stored.</param>
/// <param name="draft">What a run before has found, and has not stored yet.</param>
/// <param name="wake">Asks for another run.</param>
/// <param name="now">The time of the run.</param>
internal sealed class MigrationScope(PodMigration migration, PodMigrationStatus? draft, Action wake, DateTime now)
{
    public PodMigration Migration { get; } = migration;

    /// <summary>The time of the run.</summary>
    public DateTime Now { get; } = now;

    /// <summary>Asks for another run, from any thread.</summary>
    public Action Wake { get; } = wake;

    public PodMigrationStatus Status { get; set; } = draft ?? migration.Status ?? new PodMigrationStatus();

    /// <summary>Whether what this run has found may be told with what comes next, if that comes soon.</summary>
    public bool StatusMayBeDelayed { get; private set; }

    /// <summary>The claims that the pod mounts, as they were read in this run; only
    /// its validation reads them.</summary>
    public IReadOnlyList<MountedClaim> Claims { get; set; } = [];

    public string Uid => Migration.Metadata.Uid!;

    public string Namespace => Migration.Metadata.NamespaceProperty!;

    public string TcpPolicy => Migration.Spec.TcpPolicy ?? TcpPolicies.Close;

    /// <summary>The PodCheckpoint's name; follows from the uid, so that a retry finds the one it made.</summary>
    public string CheckpointName => CheckpointNameFor(Migration);

    /// <summary>The checkpoint's id, which the target pod names before there is a checkpoint.</summary>
    public string CheckpointID => CheckpointIdFor(Migration);

    public static string CheckpointIdFor(PodMigration migration) =>
        ArtifactUri.CheckpointIdOf(migration.Metadata.CreationTimestamp!.Value, migration.Metadata.Uid!);

    public static string CheckpointNameFor(PodMigration migration) =>
        $"{Shortened(migration.Metadata.Name!)}-{migration.Metadata.Uid![..8]}";

    /// <summary>The target pod's name: the first name of the pod, and this migration's mark.</summary>
    public string TargetPodName(V1Pod source) => $"{OriginalName(source)}{TargetSuffix(Uid)}";

    /// <summary>What the names of a migration's targets end with.</summary>
    public static string TargetSuffix(string uid) => $"-m{(uid.Length > 8 ? uid[..8] : uid)}";

    /// <summary>The name of a pod that is started afresh at the target: the failed
    /// one may still have its own.</summary>
    public string FreshPodName(V1Pod source) => $"{OriginalName(source)}-c{Uid[..8]}";

    public bool Is(string condition) => Status.Conditions.IsTrue(condition);

    public V1Condition? Condition(string type) => Status.Conditions.Find(type);

    public void Set(string type, bool value, string reason, string message) =>
        Status = Status with
        {
            Conditions = Status.Conditions.With(
                type, value ? "True" : "False", reason, message, Migration.Metadata.Generation, Now),
        };

    /// <summary>It waits for others to end, and nothing has been done about it.</summary>
    public bool IsWaiting => Condition(ConditionTypes.Validated)?.Reason == Reasons.WaitingForSlot;

    /// <summary>It goes back, and has never begun.</summary>
    public bool RolledBackBeforeValidated =>
        Condition(ConditionTypes.RolledBack) is not null && !Is(ConditionTypes.Validated);

    /// <summary>Says that the migration waits for others to end.</summary>
    public void Wait(string message)
    {
        Begin(Steps.Wait);
        // It has not begun: what it waits for comes before.
        Status = Status with
        {
            Steps = [.. Status.Steps!.Where(s => s.Name != Steps.Validate)],
            Conditions = Status.Conditions.With(
                ConditionTypes.Validated, "Unknown", Reasons.WaitingForSlot, message,
                Migration.Metadata.Generation, Now),
        };
        Phase(MigrationPhases.Pending, message);
    }

    /// <summary>It is not waited any more, without having begun.</summary>
    public void StopWaiting()
    {
        if (IsWaiting)
        {
            Status =
                Status with { Conditions = [.. Status.Conditions!.Where(c => c.Type != ConditionTypes.Validated)] };
            End(Steps.Wait, "");
        }
    }

    /// <summary>Ends the run while an agent's answer is pending. The status may be stored later: after a restart the
    /// call is simply repeated, and nothing done since the last stored status needs to be known in order to be
    /// repeated or undone.</summary>
    /// <returns>False.</returns>
    public bool AwaitAnswer()
    {
        StatusMayBeDelayed = true;
        return false;
    }

    /// <summary>Why it cannot go on for now, and what may be done about it; found in this run.</summary>
    public Obstacle? Stall { get; set; }

    /// <summary>The source is fenced for another migration, which has the word about it; found in this run.</summary>
    public bool BelongsToAnother { get; set; }

    /// <summary>Somebody has given the source's node up for lost, so that nobody has let the source go on; found in this
    /// run.</summary>
    public bool IsSourceLost { get; set; }

    /// <summary>Whether the target's processes may run, or have run: they were let go, and nobody has seen that they
    /// never will.</summary>
    public bool TargetMayRun =>
        HasBegun(Steps.Restore) && Condition(ConditionTypes.Restored)?.Status != "False";

    /// <summary>The target's agent has said that its processes never ran; and it holds to that.</summary>
    public void NoteNeverRan() =>
        Set(ConditionTypes.Restored, false, Reasons.Withdrawn, "the target's processes have never run, and never will");

    /// <summary>Goes back from here on: only says so; the next run undoes.</summary>
    public void TurnBack(string reason, string message)
    {
        StopWaiting();
        Phase(MigrationPhases.Failed, message);
        Set(ConditionTypes.Ready, false, reason, message);
        if (Condition(ConditionTypes.RolledBack) is null)
        {
            Set(ConditionTypes.RolledBack, false, reason, message);
        }
    }

    public void Phase(string phase, string message) => Status = Status with { Phase = phase, Message = message };

    /// <summary>When its first step began that is not waiting: what ends before it may begin has begun
    /// at least to be looked at.</summary>
    public DateTime? FirstBegun => Status.Steps?.FirstOrDefault(s => s.Name != Steps.Wait)?.StartedAt;

    public bool HasBegun(string step) => Status.Steps?.Any(s => s.Name == step) == true;

    /// <summary>When a step that has begun did so.</summary>
    public DateTime? BeganAt(string step) => Status.Steps?.FirstOrDefault(s => s.Name == step)?.StartedAt;

    /// <summary>Begins a step, unless it has begun.</summary>
    public void Begin(string step)
    {
        if (!HasBegun(step))
        {
            Status =
                Status with { Steps = [.. Status.Steps ?? [], new MigrationStep { Name = step, StartedAt = Now }] };
        }
    }

    /// <summary>Ends a step, unless it has ended.</summary>
    public void End(string step, string message) =>
        Status = Status with
        {
            Steps =
            [
                .. (Status.Steps ?? []).Select(s => s.Name == step && s.FinishedAt is null
                    ? s with { FinishedAt = Now, Message = message }
                    : s),
            ],
        };

    private static string OriginalName(V1Pod source) => Shortened(
        source.Metadata.Annotations?.TryGetValue(WellKnown.OriginalPodName, out var first) == true
            ? first
            : source.Metadata.Name!);

    internal static string Shortened(string name) => name.Length <= 50 ? name : name[..50].TrimEnd('-', '.');
}
