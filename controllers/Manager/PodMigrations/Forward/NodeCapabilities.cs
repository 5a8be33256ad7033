using k8s.Models;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;

namespace PodCheckpointing.Manager.PodMigrations.Forward;

/// <summary>What the agents of both nodes say of themselves, and of what a pod needs there.</summary>
/// <remarks>Asks only. The answers are kept for as long as the migration is under way.</remarks>
internal sealed class NodeCapabilities(AgentCalls calls)
{
    /// <summary>The answer of the pod's own node; null while it is being asked.</summary>
    public GetCapabilitiesResponse? OfSource(MigrationScope scope, V1Pod pod, string node) =>
        calls.Ask(scope, CallNames.CapabilitiesOfSource(node), node, (agent, t) => agent.GetCapabilitiesAsync(
            QuestionToSource(pod), t));

    /// <summary>The answer of a node that could be the target, which looks for the mark that the pod's own node has
    /// left on the volume; null while it is being asked.</summary>
    /// <param name="scope">The run.</param>
    /// <param name="pod">The pod that moves.</param>
    /// <param name="node">The node that is asked.</param>
    /// <param name="here">The answer of the pod's own node; null where it gave none, and so has left no mark.</param>
    public GetCapabilitiesResponse? OfTarget(
        MigrationScope scope, V1Pod pod, string node, GetCapabilitiesResponse? here) =>
        calls.Ask(
            scope, CallNames.CapabilitiesOfTarget(node), node,
            (agent, t) => agent.GetCapabilitiesAsync(QuestionToTarget(pod, here), t));

    public GetCapabilitiesResponse? KnownOfSource(MigrationScope scope, string node) =>
        calls.Known<GetCapabilitiesResponse>(scope, CallNames.CapabilitiesOfSource(node));

    public GetCapabilitiesResponse? KnownOfTarget(MigrationScope scope, string node) =>
        calls.Known<GetCapabilitiesResponse>(scope, CallNames.CapabilitiesOfTarget(node));

    private static GetCapabilitiesRequest QuestionToSource(V1Pod pod) => new()
    {
        PodUid = pod.Metadata.Uid,
        VolumeNames = { pod.EmptyDirs() }, LeaveMark = true, Images = { TargetImages.AtSource(pod) },
    };

    private static GetCapabilitiesRequest QuestionToTarget(V1Pod pod, GetCapabilitiesResponse? here) =>
        new() { FindMark = here?.StoreMark ?? "", Images = { TargetImages.AtTarget(pod) } };
}
