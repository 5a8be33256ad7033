using System.Collections.Concurrent;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Nodes;

/// <summary>Says of each Node, in a CheckpointNode of its name, whether pods can be
/// moved away from it and to it.</summary>
/// <remarks>Asks the node's agent when the node comes, when its address, its readiness or its agent's pod changes, and
/// from time to time; and leaves no mark there. The object is its Node's and goes with it: the cluster's
/// garbage collector sees to that.</remarks>
internal sealed class CheckpointNodeReconciler(
    ICluster cluster, IAgentDirectory agents, PendingCalls calls, IEventRecorder events,
    IOptions<OperatorOptions> options, Home home, WorkQueue queue, TimeProvider time)
    : IReconciler
{
    /// <summary>What each node was like when it was last told of, and when that was: as long as nothing is different,
    /// it is asked no sooner than its time has come. Of one life of the operator: the next one asks at once.</summary>
    private readonly ConcurrentDictionary<string, (string Seen, long At)> _told = new();

    /// <summary>What each node was like when the question that is under way was asked.</summary>
    private readonly ConcurrentDictionary<string, string> _asked = new();

    public async Task<ReconcileResult> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (cluster.Find<V1Node>(key) is not { } node)
        {
            _told.TryRemove(key.Name, out _);
            _asked.TryRemove(key.Name, out _);
            calls.Forget(CallTo(key));
            return ReconcileResult.Done;
        }

        var known = cluster.Find<CheckpointNode>(key);
        var pods = cluster.ByIndex(Indexes.AgentPods, home.Namespace).ToList();
        var seen = WhatMatters(node, pods);
        if (known is not null && _told.TryGetValue(key.Name, out var last) && last.Seen == seen
            && IntervalOf(key.Name) - time.GetElapsedTime(last.At) is var rest && rest > TimeSpan.Zero)
        {
            return new ReconcileResult(rest);
        }

        var asked = _asked.GetOrAdd(key.Name, seen);
        if (Report(key, node, known?.Status, pods) is not { } status)
        {
            return ReconcileResult.Done;
        }

        known ??= await cluster.CreateOrGetAsync(
            new CheckpointNode
            {
                Metadata = new V1ObjectMeta { Name = key.Name, OwnerReferences = [Owners.ControllerReference(node)] },
            }, cancellationToken);
        await cluster.PatchStatusAsync(known, known.Status, status, cancellationToken);
        events.RecordChanges(known, known.Status?.Conditions, status.Conditions);
        _told[key.Name] = (asked, time.GetTimestamp());
        _asked.TryRemove(key.Name, out _);
        calls.Forget(CallTo(key));
        // What has changed since it was asked has it asked anew.
        return new ReconcileResult(asked == seen ? IntervalOf(key.Name) : TimeSpan.Zero);
    }

    private static string CallTo(ObjectKey node) => $"cpn/{node.Name}/";

    /// <summary>What is to be told; null while the agent is being asked.</summary>
    private CheckpointNodeStatus? Report(ObjectKey key, V1Node node, CheckpointNodeStatus? before, List<V1Pod> pods)
    {
        var now = time.GetUtcNow().UtcDateTime;
        // Where there are no such pods at all, agents run otherwise.
        if (pods.Count > 0 && pods.TrueForAll(pod => pod.Spec.NodeName != key.Name))
        {
            return NodeReport.OfNoAgent(before, now);
        }

        try
        {
            var agent = agents.Require(key.Name);
            return calls.Ask(CallTo(key), t => agent.GetCapabilitiesAsync(
                new GetCapabilitiesRequest(), t), () => queue.Add(key)) is { } answer
                ? NodeReport.OfAnswer(node, before, answer, cluster.All<CheckpointNode>(), now)
                : null;
        }
        catch (AgentException failure)
        {
            return NodeReport.OfFailure(before, failure, now);
        }
    }

    /// <summary>What of the objects has the agent asked anew when it changes: not a
    /// kubelet's report that it lives.</summary>
    private static string WhatMatters(V1Node node, IEnumerable<V1Pod> pods) => string.Join(
        ' ',
        [
            node.Metadata.Uid, AgentDirectory.AddressOf(node), $"{AgentDirectory.IsReady(node)}",
            .. (node.Status?.RuntimeHandlers ?? []).Select(handler => handler.Name),
            .. pods.Where(pod => pod.Spec.NodeName == node.Metadata.Name)
                .Select(pod => $"{pod.Metadata.Uid}={pod.IsReady()}"),
        ]);

    /// <summary>A little more or less from node to node, so that a thousand that were
    /// asked at once drift apart.</summary>
    private TimeSpan IntervalOf(string node) =>
        options.Value.Nodes.Interval * (0.9 + (node.Sum(letter => letter * 37) % 100 / 500.0));
}
