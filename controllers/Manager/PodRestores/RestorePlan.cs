using k8s.Models;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Runtime;

namespace PodCheckpointing.Manager.PodRestores;

/// <summary>What of a checkpoint a pod is restored from.</summary>
/// <param name="Pod">The pod.</param>
/// <param name="Artifact">What the pod asks for: a whole checkpoint, or one container's part of it.</param>
/// <param name="Checkpoint">The PodCheckpoint, which is ready.</param>
/// <param name="Containers">The containers that are restored.</param>
/// <param name="Volumes">The emptyDir volumes that are restored.</param>
internal sealed record RestorePlan(
    V1Pod Pod,
    ArtifactUri Artifact,
    PodCheckpoint Checkpoint,
    IReadOnlyList<string> Containers,
    IReadOnlyList<string> Volumes)
{
    /// <summary>The plan for a pod that has all that the checkpoint holds, and no other containers.</summary>
    /// <exception cref="TerminalException">The pod does not.</exception>
    public static RestorePlan For(V1Pod pod, ArtifactUri artifact, PodCheckpoint checkpoint)
    {
        var containers = artifact.Container is { } container
            ? OneContainer(container, pod, checkpoint)
            : AllContainers(pod, checkpoint);
        var volumes = artifact.Container is null ? checkpoint.Status!.Volumes ?? [] : [];
        if (volumes.Except(pod.EmptyDirs()).FirstOrDefault() is { } missing)
        {
            throw Refused(
                $"the pod has no emptyDir volume {missing}, "
                + $"whose content PodCheckpoint {checkpoint.Metadata.Name} holds: add it");
        }

        return new RestorePlan(pod, artifact, checkpoint, containers, [.. volumes]);
    }

    private static List<string> OneContainer(string container, V1Pod pod, PodCheckpoint checkpoint)
    {
        RequireHeld([container], checkpoint);
        RequirePresent([container], pod, checkpoint);
        return [container];
    }

    private static List<string> AllContainers(V1Pod pod, PodCheckpoint checkpoint)
    {
        if (pod.Spec.InitContainers?.FirstOrDefault(c => pod.Sidecars().All(s => s.Name != c.Name)) is { } initial)
        {
            // No checkpoint has it, and kubelet starts no other container before it has ended.
            throw Refused(
                $"init container {initial.Name} had ended before the checkpoint, and what it did is in it: remove it");
        }

        var containers = pod.LivingContainers().Select(c => c.Name).ToList();
        RequireHeld(containers, checkpoint);
        RequirePresent(checkpoint.Status!.Containers ?? [], pod, checkpoint);
        return containers;
    }

    private static void RequireHeld(IEnumerable<string> containers, PodCheckpoint checkpoint)
    {
        var held = checkpoint.Status!.Containers ?? [];
        if (containers.Except(held).FirstOrDefault() is { } unknown)
        {
            throw Refused(
                $"container {unknown} is not in PodCheckpoint {checkpoint.Metadata.Name}, "
                + $"which has {string.Join(", ", held)}: remove it, "
                + "or name one container's artifact in the annotation");
        }
    }

    private static void RequirePresent(IEnumerable<string> containers, V1Pod pod, PodCheckpoint checkpoint)
    {
        if (containers.Except(pod.LivingContainers().Select(c => c.Name)).FirstOrDefault() is { } missing)
        {
            throw Refused(
                $"the pod has no container {missing}, which PodCheckpoint {checkpoint.Metadata.Name} holds: "
                + "add it, with the same image");
        }
    }

    private static TerminalException Refused(string message) => new(Reasons.RestoreRefused, message);
}
