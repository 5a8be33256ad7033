namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Names of a migration's steps, in their order.</summary>
internal static class Steps
{
    /// <summary>Others are under way, and the limits allow no more; only where it had to wait.</summary>
    public const string Wait = "Wait";

    public const string Validate = "Validate";

    /// <summary>The target pod is created and its container waits for the checkpoint; the source still runs.</summary>
    public const string Receive = "Receive";

    public const string Fence = "Fence";
    public const string Checkpoint = "Checkpoint";

    /// <summary>The target's node passes no packet of the pod's own address from here on until Restore: only for pods
    /// that take it along, and then before Receive.</summary>
    public const string Hold = "HoldAddress";

    /// <summary>The checkpoint is verified and staged at the target, which restores it and stands still.</summary>
    public const string Transfer = "Transfer";

    /// <summary>From here on the target may run. Stored before it is let go.</summary>
    public const string Restore = "Restore";

    public const string Commit = "Commit";

    /// <summary>From here on there is no way back to the source: its processes are
    /// killed. Stored before they are.</summary>
    public const string EndSource = "EndSource";

    /// <summary>The Service's endpoints are watched until they lead to the target.</summary>
    public const string Service = "Service";

    /// <summary>The source is let go on, and stays the pod for good. Stored before it is asked to, where a fresh pod
    /// might take its place; and only there.</summary>
    public const string Resume = "Resume";

    /// <summary>From here on the source goes, and a fresh pod takes its place. Stored
    /// before the source is removed.</summary>
    public const string ColdStart = "ColdStart";
}
