using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodRestores;

/// <summary>The calls to the agent of a pod's node that a restore is made of.</summary>
internal sealed class RestoreCalls(IAgentDirectory agents, PendingCalls calls)
{
    /// <summary>Has each container staged and released.</summary>
    /// <param name="plan">What is restored.</param>
    /// <param name="content">The content that it is restored from.</param>
    /// <param name="digestOf">What the objects say of each container's artifact.</param>
    /// <param name="requeue">Is run when a call has ended.</param>
    /// <returns>Whether all of them are staged.</returns>
    public bool Stage(RestorePlan plan, PodCheckpointContent content, Func<string, string> digestOf, Action requeue)
    {
        var agent = AgentOf(plan.Pod);
        var staged = true;
        // All of them are begun, also those behind one that is not staged yet.
        foreach (var container in plan.Containers)
        {
            var request = RequestFor(plan, content, container, digestOf(container));
            var answer = calls.Ask(
                $"{KeyOf(plan.Pod)}prepare/{container}", token => agent.PrepareRestoreAsync(request, token), requeue);
            staged &= answer is not null;
        }

        return staged;
    }

    /// <summary>How far the containers are, told when they run, or after a while; null until then.</summary>
    public GetRestoreResponse? Watch(RestorePlan plan, Action requeue)
    {
        var agent = AgentOf(plan.Pod);
        var question = RestoreQuestion.UntilRunning(plan.Pod, plan.Containers);
        return calls.Ask(WatchKeyOf(plan.Pod), token => agent.GetRestoreAsync(question, token), requeue);
    }

    /// <summary>The agent's wait has ended before the containers ran: the next look asks again.</summary>
    public void ForgetWatch(V1Pod pod) => calls.Forget(WatchKeyOf(pod));

    /// <summary>Has the waiting containers fail with a reason; null while that is under way.</summary>
    public CancelRestoreResponse? Cancel(V1Pod pod, string message, bool unlessRun, Action requeue)
    {
        var request = new CancelRestoreRequest { PodUid = pod.Metadata.Uid, Reason = message, UnlessRun = unlessRun };
        return calls.Ask(
            $"{KeyOf(pod)}cancel{(unlessRun ? "-unless-run" : "")}",
            token => AgentOf(pod).CancelRestoreAsync(request, token),
            requeue);
    }

    /// <summary>Nobody fetches the answers about a pod any more.</summary>
    public void Forget(V1Pod pod) => calls.Forget(KeyOf(pod));

    /// <summary>The pod is gone, and what its uid was: deleted by force, it was never seen being deleted.</summary>
    public void Forget(ObjectKey key) => calls.Forget(KeyOf(key));

    private static PrepareRestoreRequest RequestFor(
        RestorePlan plan, PodCheckpointContent content, string container, string digest)
    {
        var artifact = ArtifactUri.ForContainer(plan.Artifact.PodUid, plan.Artifact.CheckpointId, container);
        var request = new PrepareRestoreRequest
        {
            PodNamespace = plan.Pod.Metadata.NamespaceProperty,
            PodName = plan.Pod.Metadata.Name,
            PodUid = plan.Pod.Metadata.Uid,
            ContainerName = container,
            ArtifactUri = artifact.ToString(),
            ExpectedDigest = digest,
            OriginNamespace = content.Spec.Source.PodNamespace,
            Release = true,
        };
        request.ContainerNames.AddRange(plan.Containers);
        request.VolumeNames.AddRange(plan.Volumes);
        return request;
    }

    private ICheckpointAgent AgentOf(V1Pod pod) =>
        agents.Find(pod.Spec.NodeName!)
        ?? throw new AgentException(Reasons.NodeNotFound, $"node {pod.Spec.NodeName} has no agent", isTerminal: false);

    private static string KeyOf(ObjectKey key) => $"restore/{key}/";

    private static string KeyOf(V1Pod pod) => $"{KeyOf(ObjectKey.Of(pod))}{pod.Metadata.Uid}/";

    private static string WatchKeyOf(V1Pod pod) => $"{KeyOf(pod)}watch";
}
