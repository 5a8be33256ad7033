namespace PodCheckpointing.Manager.PodMigrations;

/// <summary>The names of a migration's calls to the agents. One name never stands for two
/// different calls of one migration.</summary>
internal static class CallNames
{
    /// <summary>Puts the fence before the source; the way back waits for its end before it lifts it.</summary>
    public const string Fence = "fence";

    /// <summary>Has the target's node hold the pod's address; the way back waits for
    /// its end before it lets go.</summary>
    public const string Hold = "hold";

    /// <summary>Waits for the target to wait for its checkpoint.</summary>
    public const string Receive = "receive";

    /// <summary>Tells the images that were pulled for the target.</summary>
    public const string Images = "images";

    /// <summary>Waits for the sockets of every container.</summary>
    public const string Sockets = "restored";

    /// <summary>Lets the target go.</summary>
    public const string Release = "release";

    /// <summary>Waits for the target to run.</summary>
    public const string Restore = "restore";

    /// <summary>Asks once more for a target that kubelet says runs.</summary>
    public const string Verify = "verify";

    /// <summary>Asks about a target whose containers have begun again so often since.</summary>
    public static string StillRestored(int restarts) => $"still-restored/{restarts}";

    /// <summary>Withdraws the target, unless it has run.</summary>
    public const string Withdraw = "withdraw";

    /// <summary>Kills the source's processes.</summary>
    public const string EndProcesses = "end-processes";

    /// <summary>Lifts the fence of a source that is gone.</summary>
    public const string Unfence = "unfence";

    /// <summary>Has a target that stands give up.</summary>
    public const string Cancel = "cancel";

    /// <summary>Proves that a target whose object is gone has nothing left.</summary>
    public const string CancelProof = "cancel-proof";

    /// <summary>Lets the source go on.</summary>
    public const string Resume = "resume";

    /// <summary>Lets the pod's address go.</summary>
    public const string LetGo = "let-go";

    /// <summary>Lets the source go on as far as its own end.</summary>
    public const string End = "end";

    /// <summary>Proves that a source whose object is gone has nothing left.</summary>
    public const string EndProof = "end-proof";

    /// <summary>What the pod's own node can do.</summary>
    public static string CapabilitiesOfSource(string node) => $"capabilities-source/{node}";

    /// <summary>What a node can do that could be the target.</summary>
    public static string CapabilitiesOfTarget(string node) => $"capabilities-target/{node}";

    /// <summary>Stages a container that is still being dumped.</summary>
    public static string StageAhead(string container) => $"ahead/{container}";

    /// <summary>Stages a container.</summary>
    public static string Prepare(string container) => $"prepare/{container}";
}
