namespace PodCheckpointing.Api.V1;

/// <summary>How far the restore of a container has come at its node: phase and until
/// of the agent's GetRestore.</summary>
public static class RestorePhases
{
    /// <summary>Nothing of it is at the node.</summary>
    public const string Absent = "Absent";

    /// <summary>Its checkpoint is being staged, and its pod has not come as far.</summary>
    public const string Staging = "Staging";

    /// <summary>The container is being created, and its checkpoint is not staged.</summary>
    public const string Waiting = "Waiting";

    /// <summary>Its checkpoint is staged.</summary>
    public const string Staged = "Staged";

    /// <summary>The runtime restores it.</summary>
    public const string Restoring = "Restoring";

    /// <summary>It is restored and does not run, or not with all its pages.</summary>
    public const string Restored = "Restored";

    /// <summary>Its processes were let run, in this boot of the node.</summary>
    public const string Running = "Running";

    /// <summary>It will not be restored; the message says why. None of the others comes before or after it.</summary>
    public const string Failed = "Failed";

    private static readonly string[] InOrder = [Absent, Staging, Waiting, Staged, Restoring, Restored, Running];

    /// <summary>Whether a restore has come as far as another phase, or further; one that
    /// has failed has come nowhere.</summary>
    public static bool HasCome(string phase, string asFarAs) =>
        Array.IndexOf(InOrder, phase) >= Array.IndexOf(InOrder, asFarAs);
}
