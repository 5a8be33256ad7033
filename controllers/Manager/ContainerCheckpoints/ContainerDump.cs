using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.ContainerCheckpoints;

/// <summary>Has agents dump containers, or tell what the volume holds of a dump that nobody has heard the end
/// of.</summary>
internal sealed class ContainerDump(IAgentDirectory agents, LostNodes lostNodes, PendingCalls calls)
{
    /// <summary>What is asked of the agent for a container.</summary>
    /// <param name="source">The container.</param>
    /// <param name="owner">The PodCheckpoint that it is dumped for; null where there is none.</param>
    /// <param name="pod">Who has the pod's name; null: nobody.</param>
    public static CheckpointRequest RequestFor(CheckpointSource source, PodCheckpoint? owner, V1Pod? pod)
    {
        var request = new CheckpointRequest
        {
            PodNamespace = source.PodNamespace,
            PodName = source.PodName,
            PodUid = source.PodUID,
            ContainerName = source.ContainerName,
            CheckpointId = source.CheckpointID,
        };
        // The agent that stores the last one seals the checkpoint: one way there and back less while the pod stands
        // still.
        if (owner?.Status?.CheckpointID == source.CheckpointID)
        {
            request.SealContainers.AddRange(owner.Status.Containers);
            request.VolumeNames.AddRange(owner.Status.Volumes ?? []);
            request.FenceHolder = owner.Metadata.OwnerReferences?
                .FirstOrDefault(r => r is { Controller: true, Kind: nameof(PodMigration) })?.Uid ?? "";
        }

        // A migration keeps the time itself, and a fence keeps what kubelet kills from starting again. Of a snapshot
        // nothing stands still but this container: what its neighbours' probes ask, they answer.
        if (request.FenceHolder.Length == 0
            && pod?.Metadata.Uid == source.PodUID
            && pod.LivingContainers().FirstOrDefault(c => c.Name == source.ContainerName) is { } container
            && Freeze.ProbeOf(container) is { } own)
        {
            request.FreezeLimit = new FreezeLimit
            {
                SetBy = own.Probe, Milliseconds = (uint)own.Allowed.TotalMilliseconds,
            };
        }

        return request;
    }

    /// <summary>What the node's agent has stored; null while it does. Of a node that is lost, or a migration that is
    /// over, the volume may hold it whole, though nobody has heard of it: then any agent tells, for it answers from
    /// what stands there.</summary>
    /// <exception cref="TerminalException">The node was lost before, or the migration had its end.</exception>
    public CheckpointResponse? Ask(
        ContainerCheckpoint checkpoint, CheckpointRequest request, string node, bool isOver, Action requeue)
    {
        var call = KeyOf(checkpoint);
        if (!isOver && !lostNodes.Contains(node))
        {
            var agent = agents.Require(node);
            return calls.Ask(call + "dump", token => agent.CheckpointAsync(request, token), requeue);
        }

        if (calls.Known<CheckpointResponse>(call + "dump") is { } heard)
        {
            return heard;
        }

        try
        {
            return FindOnVolume(call, request, requeue);
        }
        catch (AgentException exception) when (exception.IsTerminal)
        {
            throw isOver
                ? new TerminalException(
                    Reasons.CheckpointFailed,
                    "the migration that it was made for ended before the container was dumped",
                    exception)
                : new TerminalException(
                    Reasons.NodeLost, $"node {node} was lost before the container was dumped there", exception);
        }
    }

    /// <summary>The answers are written down, or not needed: nobody asks for them any more.</summary>
    public void Forget(ContainerCheckpoint checkpoint) => calls.Forget(KeyOf(checkpoint));

    private CheckpointResponse? FindOnVolume(string call, CheckpointRequest request, Action requeue)
    {
        var uri = ArtifactUri.ForContainer(request.PodUid, request.CheckpointId, request.ContainerName).ToString();
        var verify = new VerifyCheckpointRequest { ArtifactUri = uri, ManifestsOnly = true };
        var stands = calls.AskAny(
            call + "sought",
            agents,
            first: null,
            (agent, token) => agent.VerifyCheckpointAsync(verify, token),
            requeue);
        return stands is null
            ? null
            : calls.AskAny(
                call + "found", agents, first: null, (agent, token) => agent.CheckpointAsync(request, token), requeue);
    }

    private static string KeyOf(ContainerCheckpoint checkpoint) => $"ccp/{checkpoint.Metadata.Uid}/";
}
