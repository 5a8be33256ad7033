namespace PodCheckpointing.Api.V1;

/// <summary>How far the checkpoint of a container has come at its node: phase of the agent's WatchCheckpoint.</summary>
public static class CheckpointPhases
{
    /// <summary>It is not under way.</summary>
    public const string Pending = "Pending";

    /// <summary>The runtime dumps the container.</summary>
    public const string Dumping = "Dumping";

    /// <summary>Its archive is being stored, also while the runtime still writes it.</summary>
    public const string Storing = "Storing";

    /// <summary>It is stored.</summary>
    public const string Done = "Done";

    /// <summary>Nothing has come of it; the message says why.</summary>
    public const string Failed = "Failed";
}
