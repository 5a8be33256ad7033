using System.Collections.Concurrent;
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
    /// <summary>How long the volume is waited for at least, from the first question on.</summary>
    private static readonly TimeSpan Least = TimeSpan.FromMinutes(2);

    /// <summary>When each content's bytes were first asked to be removed, in this life of the operator.</summary>
    private readonly ConcurrentDictionary<string, DateTime> _asked = new();

    /// <summary>Goes one step; <paramref name="wake"/> is run when there is more to do.</summary>
    /// <returns>When it is to be looked at again, though nothing happens.</returns>
    /// <exception cref="AgentException">The bytes cannot be removed now; the next attempt may.</exception>
    public async Task<ReconcileResult> ReleaseAsync<T>(
        T content, CheckpointSource source, bool keepBytes, Action wake, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (!content.Has(WellKnown.ContentFinalizer))
        {
            return ReconcileResult.Done;
        }

        if (!keepBytes && !RemoveBytes(content, source, wake))
        {
            // No answer wakes anybody where a volume hangs.
            return new ReconcileResult(Until(content) - time.GetUtcNow().UtcDateTime);
        }

        await cluster.SetFinalizersAsync(content, content.Without(WellKnown.ContentFinalizer), cancellationToken);
        calls.Forget(Key(content));
        _asked.TryRemove(content.Metadata.Uid!, out _);
        return ReconcileResult.Done;
    }

    /// <summary>Whether the removal of a content's bytes has been begun, and has not ended.</summary>
    public bool IsUnderWay(IKubernetesObject<V1ObjectMeta> content) => calls.IsUnderWay(Key(content));

    private static string Key(IKubernetesObject<V1ObjectMeta> content) => $"content/{content.Metadata.Uid}/delete";

    /// <summary>A content may have waited for its claim for longer than that, or for an operator: the volume has had no time then.</summary>
    private DateTime Until(IKubernetesObject<V1ObjectMeta> content)
    {
        var patience = options.Value.BytesPatience;
        var asked = _asked.GetOrAdd(content.Metadata.Uid!, _ => time.GetUtcNow().UtcDateTime);
        var (since, least) = (content.Metadata.DeletionTimestamp!.Value + patience, asked + (patience < Least ? patience : Least));
        return since > least ? since : least;
    }

    /// <summary>Whether the bytes are gone, or have been given up.</summary>
    private bool RemoveBytes(IKubernetesObject<V1ObjectMeta> content, CheckpointSource source, Action wake)
    {
        var request = new DeleteCheckpointRequest
        {
            PodUid = source.PodUID, CheckpointId = source.CheckpointID, ContainerName = source.ContainerName ?? "",
        };
        var until = Until(content);
        var isOver = time.GetUtcNow().UtcDateTime >= until;
        var bytes = $"{ArtifactUri.ForPod(source.PodUID, source.CheckpointID)}{(source.ContainerName is { } name ? "/" + name : "")}";
        var why = "no agent has heard of the volume since it was asked";
        try
        {
            // The node that dumped, for it knows of a dump under way; but any that is ready reaches the volume, and a
            // dead one must not hold the bytes.
            if (calls.AskAny(Key(content), agents, source.NodeName, (agent, t) => agent.DeleteCheckpointAsync(request, t), wake) is not null)
            {
                return true;
            }

            if (!isOver)
            {
                return false;
            }
        }
        catch (AgentException exception)
        {
            why = exception.Message;
            if (!isOver)
            {
                events.Record(
                    content, "Warning", exception.Reason,
                    $"{bytes} cannot be removed: {why}. Tried again until {until:u}; then this object goes without them.");
                throw;
            }
        }

        events.Record(
            content, "Warning", Reasons.BytesLeftBehind,
            $"{bytes} stays on the volume: {why}. Remove it with the store tool's gc, or by the retention's orphans rule.");
        return true;
    }
}
