using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Simulation;

/// <summary>What a node's agent answers while something there is broken, in place of doing what it is asked, or after
/// it.</summary>
internal sealed class AgentFault(Func<string, AgentException?> instead)
{
    /// <summary>What agents are asked, or go on with by themselves: how their calls' names begin.</summary>
    private static readonly string[] Calls =
    [
        "capabilities", "fence", "unfence", "unfenced", "end", "dump", "store", "seal", "delete", "verify", "list",
        "stage", "look", "hold", "release", "cancel", "",
    ];

    private static readonly string[] OnVolume = ["capabilities", "store", "seal", "delete", "verify", "list", "stage"];

    /// <summary>What comes in place of a call's effect; null: that.</summary>
    public Func<string, AgentException?> Instead { get; } = instead;

    /// <summary>What comes after a call's effect in place of its answer; null: that.</summary>
    public Func<string, AgentException?> Afterwards { get; private init; } = _ => null;

    /// <summary>The disk of the node has no room left.</summary>
    public bool IsFullDisk { get; private init; }

    /// <summary>Something that no agent expects. Its server answers INTERNAL without a word of the agent's own, and
    /// operators take that, RESOURCE_EXHAUSTED and UNKNOWN alike (GrpcEndpoints, AgentReasons).</summary>
    public static AgentFault Broken(Random random)
    {
        var calls = Calls[random.Next(Calls.Length)];
        AgentException? Failure(string call) => call.StartsWith(calls, StringComparison.Ordinal) ? Unexpected() : null;
        return random.Next(2) == 0 ? new AgentFault(Failure) : new AgentFault(_ => null) { Afterwards = Failure };
    }

    /// <summary>The volume hangs, or its server is away: UNAVAILABLE (StoreCalls, Checkpointer,
    /// RestoreStaging).</summary>
    public static AgentFault VolumeAway() => new(call =>
        !IsAhead(call) && OnVolume.Any(c => call.StartsWith(c, StringComparison.Ordinal))
            ? new AgentException(Reasons.StoreUnavailable, "the volume does not answer", isTerminal: false)
            : null);

    /// <summary>The volume has no room: nothing is written any more, and what stands can be read and deleted. The dump
    /// has been made by then, and the pod stands still: FAILED_PRECONDITION (FullDisk).</summary>
    public static AgentFault VolumeFull() => new(call =>
        call == "seal" || call.StartsWith("store", StringComparison.Ordinal) ? NoSpace("the checkpoint volume") : null);

    /// <summary>The node's own disk has no room, for a fence, the runtime's dump, what is staged or the word that it
    /// may run (FullDisk). What ends or undoes needs none (FenceBook, RestoreRelease), but for the end of an address'
    /// hold, which the agent does not expect to fail (AddressHolds).</summary>
    public static AgentFault DiskFull() => new(call =>
        call is "fence" or "release" || (!IsAhead(call) && call.StartsWith("stage", StringComparison.Ordinal))
            ? NoSpace("the disk")
        : call.StartsWith("hold", StringComparison.Ordinal) ? Unexpected()
        : null)
    {
        IsFullDisk = true,
    };

    /// <summary>What an exception that the agent does not expect is answered with.</summary>
    public static AgentException Unexpected() =>
        new(Reasons.AgentFailed, "the agent failed: IOException; see the server's log", isTerminal: false);

    private static AgentException NoSpace(string where) =>
        new(Reasons.NotEnoughSpace, $"{where} has no room left", isTerminal: true);

    /// <summary>Whoever stages ahead tells nobody what has come of it.</summary>
    private static bool IsAhead(string call) => call.EndsWith(" ahead", StringComparison.Ordinal);
}
