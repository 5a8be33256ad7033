using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>A PersistentVolumeClaim that a pod mounts, and why its target could not.</summary>
/// <remarks>The target pod waits at its node while the source still has its volumes, so both nodes must have them at
/// once. One place for the operator, which refuses by it, and the plug-in, which tells it beforehand.</remarks>
/// <param name="Volume">The pod's volume.</param>
/// <param name="Name">The claim's name.</param>
/// <param name="ReadOnly">Whether the pod's volume says that nobody writes.</param>
public sealed record MountedClaim(string Volume, string Name, bool ReadOnly)
{
    private const string ReadWriteMany = "ReadWriteMany";
    private const string ReadOnlyMany = "ReadOnlyMany";
    private const string ReadWriteOncePod = "ReadWriteOncePod";

    private string Subject => $"spec.volumes \"{Volume}\" mounts claim {Name}";

    /// <summary>The claim as the server has it; null: it does not exist.</summary>
    public V1PersistentVolumeClaim? Claim { get; init; }

    /// <summary>The volume that it is bound to; null: it does not exist.</summary>
    public V1PersistentVolume? Bound { get; init; }

    /// <summary>The claims that a pod names, of which nothing has been read yet.</summary>
    public static IEnumerable<MountedClaim> Of(V1Pod pod) =>
        from volume in pod.Spec.Volumes ?? []
        let source = volume.More?.TryGetValue("persistentVolumeClaim", out var found) == true ? found : default
        where source.ValueKind == JsonValueKind.Object
        select new MountedClaim(
            volume.Name,
            source.GetProperty("claimName").GetString()!,
            source.TryGetProperty("readOnly", out var only) && only.ValueKind == JsonValueKind.True);

    /// <summary>Reads the claim and its volume, by two ways to read objects that give
    /// null for what is not there.</summary>
    public async Task<MountedClaim> ReadAsync(
        string namespaceName, Func<string, string, Task<V1PersistentVolumeClaim?>> claims,
        Func<string, Task<V1PersistentVolume?>> volumes)
    {
        ArgumentNullException.ThrowIfNull(claims);
        ArgumentNullException.ThrowIfNull(volumes);
        var claim = await claims(namespaceName, Name).ConfigureAwait(false);
        return this with
        {
            Claim = claim,
            Bound = claim?.Spec?.VolumeName is { Length: > 0 } name ? await volumes(name).ConfigureAwait(false) : null,
        };
    }

    /// <summary>Why no other node could have it beside the source; null where one could.</summary>
    public Obstacle? Obstacle()
    {
        if (Claim is null)
        {
            return new(Reasons.ClaimNotBound, $"{Subject}, which does not exist; no new pod can mount it");
        }

        if (Claim.Metadata.DeletionTimestamp is not null)
        {
            return new(Reasons.ClaimNotBound, $"{Subject}, which is being deleted, and kubelet gives it to no new pod");
        }

        if (Claim.Status?.Phase != "Bound" || Bound is null)
        {
            return new(
                Reasons.ClaimNotBound,
                Claim is { Status.Phase: "Bound", Spec.VolumeName: { } lost }
                    ? $"{Subject}, whose volume {lost} does not exist; no new pod can mount it"
                    : $"{Subject}, which is {Claim.Status?.Phase ?? "Pending"} and not Bound; see kubectl describe "
                        + $"pvc {Name}");
        }

        if (Bound.Spec?.HostPath is not null)
        {
            return new(
                Reasons.VolumeNotShared,
                $"{Subject}, whose volume {Bound.Metadata.Name} is a hostPath, which is its node's own; "
                + "use a volume that both nodes can mount");
        }

        // The volume's own modes are those that decide about a second node; the claim's may ask for less. By pods it is
        // counted where either says so.
        var modes = Bound.Spec?.AccessModes ?? Claim.Status.AccessModes ?? Claim.Spec?.AccessModes ?? [];
        var told =
            $"{Subject}, whose volume {Bound.Metadata.Name} has accessModes "
                + $"{(modes.Count > 0 ? string.Join(", ", modes) : "none")}";
        if (modes.Contains(ReadWriteOncePod) || Claim.Spec?.AccessModes?.Contains(ReadWriteOncePod) == true)
        {
            return new(
                Reasons.VolumeNotShared,
                $"{told}, and the claim is for one pod at a time, and the target waits beside the source; "
                + $"use a claim with {ReadWriteMany}");
        }

        return modes.Contains(ReadWriteMany) || (modes.Contains(ReadOnlyMany) && (ReadOnly || modes.Count == 1)) ? null
            : new(
                Reasons.VolumeNotShared,
                (modes.Contains(ReadOnlyMany)
                    ? $"{told}: two nodes can have it for reading only; set persistentVolumeClaim.readOnly, or "
                    : $"{told}: one node at a time can have it, and the target waits beside the source; ")
                + $"use a claim with {ReadWriteMany}");
    }

    /// <summary>Why a node could not have it, where others may; null where it can, or
    /// there is nothing to say of it.</summary>
    public Obstacle? Obstacle(V1Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        return NodeSelection.Unmet(Bound?.Spec?.NodeAffinity, node) is { } terms
            ? new(
                Reasons.VolumeNotReachable,
                $"{Subject}, whose volume {Bound!.Metadata.Name} has nodeAffinity {terms}, which node "
                + $"{node.Metadata.Name} does not meet; "
                + "name another targetNode, or use a volume that both nodes can mount")
            : null;
    }
}
