using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Kubectl.Output;

/// <summary>What a checkpoint's status says, in words.</summary>
internal static class CheckpointText
{
    public static bool HasEnded(PodCheckpoint checkpoint) =>
        checkpoint.Status is { Ready: true } or { Error: not null };

    public static int ExitCodeOf(PodCheckpoint checkpoint) =>
        checkpoint.Status?.Error is null ? ExitCode.Ok : ExitCode.Failed;

    public static string Result(PodCheckpoint checkpoint) => checkpoint.Status switch
    {
        { Ready: true } => "Ready",
        { Error: { } error } => $"Failed, {error.Reason}",
        { } status => status.Conditions.Find(ConditionTypes.Ready)?.Reason ?? Reasons.Pending,
        null => Reasons.Pending,
    };

    public static string Message(PodCheckpoint checkpoint) => checkpoint.Status switch
    {
        { Error: { } error } => error.Message ?? "",
        { } status => status.Conditions.Find(ConditionTypes.Ready)?.Message ?? "",
        null => "the operator has not seen it yet",
    };

    /// <summary>What one wants to know of a checkpoint, label and value.</summary>
    public static IReadOnlyList<(string Label, string Value)> Facts(PodCheckpoint checkpoint)
    {
        var status = checkpoint.Status ?? new PodCheckpointStatus();
        (string Label, string? Value)[] facts =
        [
            ("Checkpoint", $"{checkpoint.Metadata.NamespaceProperty}/{checkpoint.Metadata.Name}"),
            ("Result", Result(checkpoint)),
            ("Message", Message(checkpoint)),
            ("Remedy", Remedies.Of(status.Error?.Reason)),
            ("Pod", checkpoint.Spec.PodName),
            ("Pod UID", status.PodUID),
            ("Node", status.NodeName),
            ("Containers", string.Join(", ", status.Containers ?? [])),
            ("Checkpoint ID", status.CheckpointID),
            ("Size", Amounts.ExactBytes(status.Size)),
            ("Taken", status.CreationTime?.ToString("yyyy-MM-dd HH:mm:ss'Z'", null)),
            ("Policy", checkpoint.Spec.DeletionPolicy ?? DeletionPolicies.Delete),
            ("Content", status.BoundContentName ?? checkpoint.Spec.PodCheckpointContentName),
        ];
        return [.. facts.Where(fact => !string.IsNullOrEmpty(fact.Value)).Select(fact => (fact.Label, fact.Value!))];
    }
}
