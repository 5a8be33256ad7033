using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>What a migration's status says, in words and columns.</summary>
internal static class MigrationText
{
    /// <summary>The phases of a migration that goes well, in their order.</summary>
    public static IReadOnlyList<string> Way { get; } =
    [
        MigrationPhases.Pending, MigrationPhases.Checkpointing, MigrationPhases.Transferring, MigrationPhases.Restoring,
        MigrationPhases.Finalizing, MigrationPhases.Completed,
    ];

    public static bool HasEnded(PodMigration migration) => migration.Status?.CompletionTime is not null;

    /// <summary>Nothing happens any more unless the user does something.</summary>
    public static bool HasComeToRest(PodMigration migration) => HasEnded(migration) || migration.IsLeft();

    public static string Phase(PodMigration migration) => migration.Status?.Phase ?? MigrationPhases.Pending;

    /// <summary>The exit code for what has become of it: going on is no failure.</summary>
    public static int ExitCodeOf(PodMigration migration) => migration.Status switch
    {
        { Phase: MigrationPhases.Failed } => ExitCode.Failed,
        { Outcome: not (null or Outcomes.Restored or Outcomes.WouldMigrate) } => ExitCode.Failed,
        _ => ExitCode.Ok,
    };

    /// <summary>Phase and outcome.</summary>
    public static string Result(PodMigration migration) => string.Join(
        ", ", new[] { Phase(migration), migration.Status?.Outcome, FailureOf(migration) }.Where(
            word => !string.IsNullOrEmpty(word)));

    /// <summary>What one wants to know of a migration, label and value.</summary>
    public static IReadOnlyList<(string Label, string Value)> Facts(PodMigration migration, DateTime now)
    {
        var status = migration.Status ?? new PodMigrationStatus();
        var checkpoint = status.Steps?.FirstOrDefault(step => step.Name == "Checkpoint");
        var rate = Amounts.Rate(status.CheckpointBytes, checkpoint?.FinishedAt - checkpoint?.StartedAt);
        (string, string)[] facts =
        [
            ("Migration", $"{migration.Metadata.NamespaceProperty}/{migration.Metadata.Name}"),
            ("Result", Result(migration)),
            ("Message", status.Message ?? (migration.Status is null ? "the operator has not seen it yet" : "")),
            ("Remedy", Remedies.Of(FailureOf(migration))),
            ("Pod", Arrow(migration.Spec.PodName, status.RestoredPodName)),
            ("Node", Arrow(status.SourceNode, status.TargetNode ?? migration.Spec.TargetNode)),
            ("Downtime", Amounts.Duration(Milliseconds(status.DowntimeMilliseconds))),
            ("Checkpoint", Amounts.ExactBytes(status.CheckpointBytes) + (rate.Length > 0 ? $", {rate}" : "")),
            ("Time", Amounts.Duration((status.CompletionTime ?? now) - status.StartTime)),
        ];
        return [.. facts.Where(fact => fact.Item2.Length > 0)];
    }

    /// <summary>The steps with their times.</summary>
    public static TextTable Steps(PodMigration migration, DateTime now)
    {
        var table = new TextTable("STEP", "BEGAN", "TOOK", "MESSAGE");
        var status = migration.Status ?? new PodMigrationStatus();
        foreach (var step in status.Steps ?? [])
        {
            table.Add(
                step.Name,
                step.StartedAt is { } began
                    && status.StartTime is { } start ? "+" + Amounts.Duration(Positive(began - start)) : "",
                step.FinishedAt is not null ? Amounts.Duration(step.FinishedAt - step.StartedAt)
                    : HasEnded(migration) ? "not finished"
                    : Amounts.Duration(Positive(now - (step.StartedAt ?? now))) + " so far",
                step.Message);
        }

        return table;
    }

    /// <summary>The columns of a list.</summary>
    public static TextTable List(IEnumerable<PodMigration> migrations, bool allNamespaces, bool wide, DateTime now)
    {
        string[] first = allNamespaces ? ["NAMESPACE"] : [];
        string[] last = wide ? ["RESTORED-POD", "MESSAGE"] : [];
        var table = new TextTable(
            [
                .. first,
                "NAME",
                "POD",
                "SOURCE",
                "TARGET",
                "PHASE",
                "OUTCOME",
                "DOWNTIME",
                "CHECKPOINT",
                "AGE",
                .. last,
            ]);
        foreach (var migration in migrations)
        {
            var status = migration.Status ?? new PodMigrationStatus();
            string?[] begin = allNamespaces ? [migration.Metadata.NamespaceProperty] : [];
            string?[] end = wide ? [status.RestoredPodName, status.Message] : [];
            table.Add(
            [
                .. begin, migration.Metadata.Name, migration.Spec.PodName, status.SourceNode,
                status.TargetNode ?? migration.Spec.TargetNode, Phase(migration), status.Outcome,
                Amounts.Duration(Milliseconds(status.DowntimeMilliseconds)), Amounts.Bytes(status.CheckpointBytes),
                Amounts.Age(migration.Metadata.CreationTimestamp, now), .. end,
            ]);
        }

        return table;
    }

    private static string? FailureOf(PodMigration migration) =>
        Phase(migration) == MigrationPhases.Failed
            ? (migration.Status?.Conditions).Find(ConditionTypes.Ready)?.Reason
            : null;

    private static string Arrow(string? from, string? to) =>
        string.IsNullOrEmpty(to) || from == to ? from ?? "" : $"{(string.IsNullOrEmpty(from) ? "?" : from)} -> {to}";

    private static TimeSpan? Milliseconds(long? value) =>
        value is { } number ? TimeSpan.FromMilliseconds(number) : null;

    private static TimeSpan Positive(TimeSpan time) => time > TimeSpan.Zero ? time : TimeSpan.Zero;
}
