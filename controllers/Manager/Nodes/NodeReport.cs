using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Manager.Metrics;
using PodCheckpointing.Manager.PodMigrations;

namespace PodCheckpointing.Manager.Nodes;

/// <summary>What is told of a node: by the rules by which a migration is refused, as far as these concern one node
/// alone. Pure functions of what was asked and seen.</summary>
internal static class NodeReport
{
    /// <summary>Its agent has answered.</summary>
    /// <param name="node">The node.</param>
    /// <param name="before">What was told of it before.</param>
    /// <param name="answer">What its agent says.</param>
    /// <param name="all">What is told of all nodes.</param>
    /// <param name="now">The time.</param>
    public static CheckpointNodeStatus OfAnswer(
        V1Node node, CheckpointNodeStatus? before, GetCapabilitiesResponse answer, IEnumerable<CheckpointNode> all,
        DateTime now)
    {
        var lacks = NodeObstacles.OfNode(node, answer).ToList();
        if (OddVolume(answer, all) is { } odd)
        {
            lacks.Add(new(NodeRoles.Both, Reasons.StoreNotShared, odd));
        }

        return new CheckpointNodeStatus
        {
            Conditions = lacks.Count == 0
                ? Ready(
                    before, "True", Reasons.Succeeded,
                    $"pods can be moved away from this node, and to it{OtherRelease(answer)}", now)
                : Ready(before, "False", lacks[0].Reason, $"{WhatFails(lacks)}: {Obstacle.Tell(lacks)}", now),
            AgentVersion = answer.AgentVersion,
            RuntimeVersion = Known($"{answer.Runtime} {answer.RuntimeVersion}"),
            CriuVersion = Known(answer.CriuVersion),
            KernelVersion = Known(answer.KernelVersion),
            Architecture = Known(answer.Architecture),
            CpuVendor = Known(answer.CpuVendor),
            StoreID = Known(answer.StoreId),
            StoreFreeBytes = About(before?.StoreFreeBytes, answer.StoreFreeBytes),
            StagingFreeBytes = About(before?.StagingFreeBytes, answer.StagingFreeBytes),
            ArchiveFreeBytes = About(before?.ArchiveFreeBytes, answer.ArchiveFreeBytes),
        };
    }

    /// <summary>Its agent has not answered, or that it cannot: what it has said before stands.</summary>
    public static CheckpointNodeStatus OfFailure(CheckpointNodeStatus? before, AgentException failure, DateTime now) =>
        (before ?? new CheckpointNodeStatus()) with
        {
            Conditions = failure.Reason == Reasons.AgentUnavailable
                ? Ready(before, "Unknown", failure.Reason, $"the node's agent does not answer: {failure.Message}", now)
                : Ready(before, "False", failure.Reason, failure.Message, now),
        };

    /// <summary>There is none to ask.</summary>
    public static CheckpointNodeStatus OfNoAgent(CheckpointNodeStatus? before, DateTime now) =>
        (before ?? new CheckpointNodeStatus()) with
        {
            Conditions = Ready(
                before, "False", Reasons.AgentMissing,
                $"no agent's pod ({AgentPods.Selector}) is on this node: see what keeps it away, where pods are to "
                    + "be moved",
                now),
        };

    private static IList<V1Condition> Ready(
        CheckpointNodeStatus? before, string status, string reason, string message, DateTime now) =>
        (before?.Conditions).With(ConditionTypes.Ready, status, reason, message, generation: null, now);

    private static string WhatFails(IEnumerable<NodeLack> lacks) => lacks.Aggregate(
        default(NodeRoles), (all, lack) => all | lack.For) switch
    {
        NodeRoles.Source => "no pod can be moved away from this node",
        NodeRoles.Target => "no pod can be moved to this node",
        _ => "no pod can be moved away from this node, or to it",
    };

    /// <summary>Whether what was told last was the agent's answer, by its reason: what it has said before stands also
    /// where it does not answer any more.</summary>
    private static bool HasAnswered(CheckpointNodeStatus status) =>
        status.Conditions.Find(ConditionTypes.Ready) is { Status: "True" }
            or { Status: "False", Reason: Reasons.NodeNotCapable or Reasons.StoreNotShared };

    /// <summary>A migration is refused between two nodes that see different volumes. Of many nodes that answer those
    /// are to blame that are not with most others; of two, nobody knows which.</summary>
    private static string? OddVolume(GetCapabilitiesResponse answer, IEnumerable<CheckpointNode> all)
    {
        var volumes =
            all.Where(n => n.Metadata.Name != answer.NodeName
                && n.Status is { StoreID: not null } status
                && HasAnswered(status))
                .GroupBy(n => n.Status!.StoreID, n => n.Metadata.Name!).ToList();
        var same = 1 + (volumes.Find(v => v.Key == answer.StoreId)?.Count() ?? 0);
        var other = volumes.Where(v => v.Key != answer.StoreId && v.Count() >= same)
            .OrderByDescending(v => v.Count())
            .ThenBy(v => v.Key, StringComparer.Ordinal)
            .FirstOrDefault();
        return other is null
            ? null
            : NodeObstacles.NotShared(answer.NodeName, other.Order(StringComparer.Ordinal).First());
    }

    /// <summary>Agents of another version are let be as long as they speak the same protocol; but
    /// nobody means to keep them.</summary>
    private static string OtherRelease(GetCapabilitiesResponse answer) =>
        answer.AgentVersion == Metering.Version
            ? ""
            : $"; its agent is of version {answer.AgentVersion}, the operator of {Metering.Version}";

    private static string? Known(string text) => text.Trim() is { Length: > 0 } known ? known : null;

    /// <summary>A size with two digits that count, and the one before where that is not off by more than a tenth: what
    /// changes all the time is not to be written all the time.</summary>
    internal static long About(long? before, ulong bytes)
    {
        var now = (long)Math.Min(bytes, long.MaxValue);
        if (before is { } old && Math.Abs(now - old) <= old / 10)
        {
            return old;
        }

        var unit = 1L;
        while (now / unit >= 100)
        {
            unit *= 10;
        }

        return now / unit * unit;
    }
}
