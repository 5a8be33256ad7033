using k8s;
using k8s.Models;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Manager.Agents;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.Contents;

/// <summary>Lets a content go: its bytes first, where its policy says so, then its finalizer.</summary>
internal sealed class ContentRelease(
    ICluster cluster,
    IAgentDirectory agents,
    PendingCalls calls,
    IEventRecorder events,
    IOptions<OperatorOptions> options,
    TimeProvider time)
{
    /// <summary>Goes one step; <paramref name="wake"/> is run when there is more to do.</summary>
    /// <exception cref="AgentException">The bytes cannot be removed now; the next attempt may.</exception>
    public async Task ReleaseAsync<T>(
        T content, CheckpointSource source, bool keepBytes, Action wake, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (!content.Has(WellKnown.ContentFinalizer) || (!keepBytes && !RemoveBytes(content, source, wake)))
        {
            return;
        }

        await cluster.SetFinalizersAsync(content, content.Without(WellKnown.ContentFinalizer), cancellationToken);
        calls.Forget(Key(content));
    }

    private static string Key(IKubernetesObject<V1ObjectMeta> content) => $"content/{content.Metadata.Uid}/delete";

    private bool RemoveBytes(IKubernetesObject<V1ObjectMeta> content, CheckpointSource source, Action wake)
    {
        var request = new DeleteCheckpointRequest
        {
            PodUid = source.PodUID, CheckpointId = source.CheckpointID, ContainerName = source.ContainerName ?? "",
        };
        try
        {
            // The node that dumped, for it knows of a dump under way; but any that is ready reaches the volume, and a
            // dead one must not hold the bytes.
            return calls.AskAny(Key(content), agents, source.NodeName, (agent, t) => agent.DeleteCheckpointAsync(request, t), wake) is not null;
        }
        catch (AgentException exception)
        {
            var bytes = $"{ArtifactUri.ForPod(source.PodUID, source.CheckpointID)}{(source.ContainerName is { } name ? "/" + name : "")}";
            var until = content.Metadata.DeletionTimestamp!.Value + options.Value.BytesPatience;
            if (time.GetUtcNow().UtcDateTime < until)
            {
                events.Record(
                    content, "Warning", exception.Reason,
                    $"{bytes} cannot be removed: {exception.Message}. Tried again until {until:u}; then this object goes without them.");
                throw;
            }

            events.Record(
                content, "Warning", Reasons.BytesLeftBehind,
                $"{bytes} stays on the volume: {exception.Message}. Remove it with the store tool's gc, or by the retention's orphans rule.");
            return true;
        }
    }
}
