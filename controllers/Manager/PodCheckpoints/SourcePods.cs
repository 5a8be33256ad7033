using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodCheckpoints;

/// <summary>Finds the pods that PodCheckpoints name, where they can be dumped.</summary>
internal sealed class SourcePods(ICluster cluster)
{
    /// <summary>The pod to dump.</summary>
    /// <exception cref="TerminalException">It cannot be dumped, as the API server has it now.</exception>
    public async Task<V1Pod> FindAsync(PodCheckpoint checkpoint, CancellationToken cancellationToken)
    {
        var key = new ObjectKey(checkpoint.Metadata.NamespaceProperty, checkpoint.Spec.PodName);
        var pod = await cluster.FindOrReadAsync<V1Pod>(key, p => WhyNot(checkpoint, p) is null, cancellationToken);
        return WhyNot(checkpoint, pod) is { } why ? throw why : pod!;
    }

    private static TerminalException? WhyNot(PodCheckpoint checkpoint, V1Pod? pod) => pod switch
    {
        null => new TerminalException(
            Reasons.PodNotFound, $"pod {checkpoint.Spec.PodName} does not exist in this namespace"),
        _ when checkpoint.Spec.PodUID is { } uid && pod.Metadata.Uid != uid => new TerminalException(
            Reasons.SourcePodReplaced, $"pod {pod.Metadata.Name} has uid {pod.Metadata.Uid}, not {uid}"),
        { Metadata.DeletionTimestamp: not null } => NotRunning(pod, "being deleted"),
        { Status.Phase: "Running" } => null,
        _ => NotRunning(pod, pod.Status?.Phase ?? "unknown"),
    };

    private static TerminalException NotRunning(V1Pod pod, string state) => new(
        Reasons.PodNotRunning, $"pod {pod.Metadata.Name} is {state}; only a running pod can be dumped");
}
