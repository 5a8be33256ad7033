using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>Has agents write the marker that makes a checkpoint whole.</summary>
internal sealed class CheckpointSeal(IAgentDirectory agents, LostNodes lostNodes, PendingCalls calls)
{
    /// <summary>What the agent has sealed; null while it does.</summary>
    public SealResponse? Ask(PodCheckpoint checkpoint, List<ContainerCheckpoint> containers, Action requeue)
    {
        var status = checkpoint.Status!;
        var request = new SealRequest { PodUid = status.PodUID, CheckpointId = status.CheckpointID };
        request.ContainerNames.AddRange(containers.Select(c => c.Spec.ContainerName));
        request.VolumeNames.AddRange(status.Volumes ?? []);
        var call = $"{KeyOf(checkpoint)}seal";
        // Any agent seals what stands, where the node is lost by now.
        return lostNodes.Contains(status.NodeName!)
            ? calls.AskAny(call, agents, first: null, (agent, token) => agent.SealAsync(request, token), requeue)
            : calls.Ask(call, token => agents.Require(status.NodeName!).SealAsync(request, token), requeue);
    }

    /// <summary>Nobody asks any more for what agents have answered: it is written down, or not needed.</summary>
    public void Forget(PodCheckpoint checkpoint) => calls.Forget(KeyOf(checkpoint));

    private static string KeyOf(PodCheckpoint checkpoint) => $"pcp/{checkpoint.Metadata.Uid}/";
}
