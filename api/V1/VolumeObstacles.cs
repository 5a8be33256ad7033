using System.Text.Json;
using k8s.Models;

namespace PodCheckpointing.Api.V1;

/// <summary>Why a volume's content would not be there where the pod goes on, as far as the pod shows it.</summary>
internal static class VolumeObstacles
{
    /// <summary>Kinds of disks that one node at a time may write.</summary>
    private static readonly string[] Disks =
    [
        "awsElasticBlockStore", "azureDisk",
        "cinder", "fc", "gcePersistentDisk", "iscsi", "photonPersistentDisk", "portworxVolume", "rbd", "scaleIO",
        "storageos", "vsphereVolume",
    ];

    /// <summary>The obstacle, or null where the content travels or is the same on both nodes.</summary>
    public static string? Of(V1Volume volume)
    {
        var name = $"spec.volumes \"{volume.Name}\"";
        if (volume.HostPath is not null)
        {
            return $"{name} is a hostPath, which is its node's own; use a volume that both nodes can mount";
        }

        if (volume.EmptyDir?.Medium?.StartsWith("HugePages", StringComparison.Ordinal) == true)
        {
            return $"{name} is of huge pages, which cannot be restored; use medium Memory";
        }

        var kind = volume.More?.Keys.FirstOrDefault();
        return kind switch
        {
            null => null,
            "ephemeral" =>
                $"{name} is made anew for each pod, and its content does not travel; use an emptyDir, or a claim "
                    + "that both nodes can mount",
            // Drivers that only bring files, such as certificates and secrets, ask for this.
            "csi" when !IsReadOnly(volume.More![kind]) =>
                $"{name} is made anew for each pod by CSI, and its content does not travel; use an emptyDir, or a "
                    + "claim that both nodes can mount",
            _ when Disks.Contains(kind) && !IsReadOnly(volume.More![kind]) =>
                $"{name} is a disk ({kind}) that only one node at a time can mount; use a volume that both nodes can "
                    + "mount",
            _ => null,
        };
    }

    private static bool IsReadOnly(JsonElement source) =>
        source.ValueKind == JsonValueKind.Object
        && source.TryGetProperty("readOnly", out var only)
        && only.ValueKind == JsonValueKind.True;
}
