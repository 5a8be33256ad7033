namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>Names of a migration's steps, in their order.</summary>
internal static class Steps
{
    public const string Validate = "Validate";

    /// <summary>The target pod is created and its container waits for the checkpoint; the source still runs.</summary>
    public const string Receive = "Receive";

    public const string Fence = "Fence";
    public const string Checkpoint = "Checkpoint";

    /// <summary>From here on the target may have what it needs to run.</summary>
    public const string Transfer = "Transfer";

    public const string Restore = "Restore";
    public const string Commit = "Commit";
}
