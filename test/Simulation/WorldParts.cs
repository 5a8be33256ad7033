using k8s.Models;

namespace PodCheckpointing.Simulation;

internal enum Life
{
    /// <summary>Created, and waits for its checkpoint.</summary>
    Waiting,

    /// <summary>Restored, not let go.</summary>
    Restored,
    Running,

    /// <summary>Left stopped by a dump.</summary>
    Stopped,
    Dead,
}

/// <summary>One container's processes: they count.</summary>
internal sealed class Processes(string name)
{
    public string Name { get; } = name;

    public Life Life { get; set; }

    public bool Started { get; set; }

    public long Counter { get; set; }

    /// <summary>How the process before this one ended, or this one where it is dead.</summary>
    public V1ContainerStateTerminated? End { get; set; }

    public int Restarts { get; set; }

    /// <summary>Since when it stands still and kubelet asks it; null where it does not.</summary>
    public DateTimeOffset? StandsSince { get; set; }

    /// <summary>When kubelet kills it, which has asked it to end: that it hears when it goes on. Null: it has
    /// not.</summary>
    public DateTimeOffset? KilledAt { get; set; }

    /// <summary>When it was created, to wait for its checkpoint.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>How often it was created before, and waited for its checkpoint in vain; kubelet counts them as
    /// restarts.</summary>
    public int VainCreates { get; init; }

    /// <summary>When the last of those came to its end, by its node's clock.</summary>
    public DateTimeOffset VainUntil { get; init; }

    /// <summary>Whose fence stood when it ended; null where none did.</summary>
    public string? DiedUnder { get; set; }

    /// <summary>The same where it had been dumped, as everybody can see: its memory is in a checkpoint.</summary>
    public string? DiedFor { get; set; }

    /// <summary>It was a source's, and there is no way back to it.</summary>
    public bool IsEnded { get; set; }
}

/// <summary>What runs of one pod on one node.</summary>
internal sealed record Copy(string PodUid, string Node, List<Processes> Containers)
{
    /// <summary>The migration that it is the target of, by its uid.</summary>
    public string? Migration { get; init; }

    /// <summary>It ran, and its node died or the user took it away: there need be none any more.</summary>
    public bool IsTaken { get; set; }

    /// <summary>It ran on when its node was given up for lost: for a second copy whoever did that answers.</summary>
    public bool IsDisowned { get; set; }

    /// <summary>Its machine has been replaced by another one of that name.</summary>
    public bool IsReplaced { get; set; }

    /// <summary>Containers that this machine was told to have run and knows nothing of, and how often kubelet counts
    /// them as begun again: until it begins them it says that they have ended, and not when.</summary>
    public Dictionary<string, int> Unknown { get; init; } = [];

    /// <summary>It failed soon after it was restored, or its node booted.</summary>
    public bool HasFailed { get; set; }

    /// <summary>What it had done since it was restored is lost by no fault of ours.</summary>
    public bool IsExcused => IsTaken || HasFailed || IsDisowned;

    /// <summary>When the first of its containers was left stopped; null while none is.</summary>
    public DateTimeOffset? StoppedAt { get; set; }

    /// <summary>When its restored containers were let run.</summary>
    public DateTimeOffset? RanAt { get; set; }

    /// <summary>When kubelet is through with killing it; null until it is told to.</summary>
    public DateTimeOffset? KilledAt { get; set; }

    /// <summary>Something of it runs, or would be started again.</summary>
    public bool HasRun =>
        Containers.Any(c => c.Life == Life.Running || c is { Life: Life.Dead, End: not null, Started: true });

    public bool Lives => Containers.Any(c => c.Life is not Life.Dead);
}

/// <summary>One dump: it goes on without the agent that asked for it.</summary>
internal sealed class Dump
{
    public required string Container { get; init; }

    public required bool Fenced { get; init; }

    /// <summary>The counter in the archive; null while the dump is under way.</summary>
    public long? Value { get; set; }

    /// <summary>When it was taken, by its node's clock.</summary>
    public DateTimeOffset TakenAt { get; set; }

    public bool Failed { get; set; }
}

/// <summary>A container's part of a checkpoint, on the volume.</summary>
internal sealed record Part(long Value, DateTimeOffset TakenAt, bool LeftStopped);

/// <summary>What an agent has staged for a pod.</summary>
internal sealed class Stage
{
    public Dictionary<string, long> Values { get; } = [];

    /// <summary>What may be restored as soon as it is written, before anybody has said that it is the one: the
    /// containers, and the checkpoint.</summary>
    public Dictionary<string, (string PodUid, string Checkpoint)> Ahead { get; } = [];

    public HashSet<string> Broken { get; } = [];

    /// <summary>Containers whose creates have come to nothing before anything was staged: how often, and when the last
    /// one.</summary>
    public Dictionary<string, (int Creates, DateTimeOffset At)> InVain { get; } = [];

    /// <summary>Containers whose create has said so, and which nobody has created again.</summary>
    public HashSet<string> Late { get; } = [];

    public List<string> Members { get; set; } = [];

    public bool Go { get; set; }

    /// <summary>Whether it runs, decided once.</summary>
    public string? Verdict { get; set; }

    /// <summary>Its node has booted since it was let run: what runs now of it began afresh.</summary>
    public bool HasBooted { get; set; }

    public DateTimeOffset RunAt { get; set; }

    public string? Failed { get; set; }
}

/// <summary>A node's disk, and whether its agent lives.</summary>
internal sealed class Node(string name)
{
    public string Name { get; } = name;

    public bool AgentLives { get; set; } = true;

    public bool KubeletLives { get; set; } = true;

    /// <summary>How far its clock is ahead.</summary>
    public TimeSpan ClockOffset { get; set; }

    /// <summary>It boots: nothing runs on it, and its disk stays.</summary>
    public bool IsOff { get; set; }

    /// <summary>Nobody reaches it, and everything on it goes on.</summary>
    public bool IsCut { get; set; }

    /// <summary>It will never come back.</summary>
    public bool IsDead { get; set; }

    /// <summary>Its object has been deleted, and with it the address of its agent.</summary>
    public bool IsForgotten { get; set; }

    /// <summary>The user has said that it will not come back: the cluster's collector
    /// takes its pods' objects away, while it is not ready.</summary>
    public bool IsGivenUp { get; set; }

    /// <summary>It is out of reach, is given up or about to be, and comes back: see <see cref="Returns"/>.</summary>
    public bool IsAway { get; set; }

    /// <summary>It has been given up and has come back, or does when all is over.</summary>
    public bool WasGivenUp { get; set; }

    /// <summary>Nobody need wait for it.</summary>
    public bool IsGone => IsDead || IsAway;

    /// <summary>Whether its kubelet hears of the API server, and the server of it.</summary>
    public bool IsUp => !IsCut && !IsDead && !IsOff;

    public bool Answers => AgentLives && IsUp;

    /// <summary>Counts the agent's lives.</summary>
    public int Agents { get; set; }

    /// <summary>What is wrong with its agent, or with what that needs; null: nothing.</summary>
    public AgentFault? Fault { get; set; }

    /// <summary>Its own disk has no room.</summary>
    public bool IsFull => Fault?.IsFullDisk == true;

    public Dictionary<string, string> Fences { get; } = [];

    /// <summary>Holders of addresses that this node passes no packets of, and until when they may need them.</summary>
    public Dictionary<string, DateTimeOffset> Holds { get; } = [];

    /// <summary>Holders that have let them go, and whether they had any.</summary>
    public Dictionary<string, bool> HoldsOver { get; } = [];

    /// <summary>Lets a holder's addresses go, and remembers that.</summary>
    public void LetGo(string holder) => HoldsOver[holder] = Holds.Remove(holder) || HoldsOver.GetValueOrDefault(holder);

    /// <summary>Fences that were lifted, or are just being, and since when.</summary>
    public Dictionary<(string PodUid, string Holder), DateTimeOffset> Lifted { get; } = [];

    /// <summary>Which containers were continued when a fence was lifted.</summary>
    public Dictionary<(string PodUid, string Holder), IReadOnlyList<string>> Continued { get; } = [];

    /// <summary>Who calls what the agent goes on with by itself.</summary>
    public Caller Agent { get; } = new();

    public bool IsLifting(string podUid) =>
        Fences.TryGetValue(podUid, out var holder) && Lifted.ContainsKey((podUid, holder));

    public Dictionary<(string PodUid, string Checkpoint, string Container), Dump> Dumps { get; } = [];

    public Dictionary<string, Stage> Stages { get; } = [];

    public Stage StageOf(string podUid) =>
        Stages.TryGetValue(podUid, out var stage) ? stage : Stages[podUid] = new Stage();
}
