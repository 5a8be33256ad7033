using System.Globalization;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Processes;
using PodCheckpointing.Agent.Restores;
using PodCheckpointing.Api.Agent;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Agent.Volumes;

/// <summary>Takes the content of a stopped pod's emptyDir volumes, and puts it into
/// those of the pod that goes on.</summary>
/// <remarks>Owners, modes, times, holes, links and user attributes travel. Sockets do not: CRIU makes those of its
/// processes again.</remarks>
internal sealed class VolumeContent(CheckpointStore store, PodCgroup cgroup, IOptions<AgentOptions> options)
{
    /// <summary>A volume of millions of files is not waited for: the answer has a deadline.</summary>
    private static readonly TimeSpan WeighingLimit = TimeSpan.FromSeconds(4);

    /// <summary>What a file takes on a disk beside its content, at most.</summary>
    private const long Block = 4096;

    /// <summary>Stores one volume; returns at once, where it stands.</summary>
    /// <exception cref="IOException">The volume cannot be read whole, or the store fails; nothing is left.</exception>
    public async Task StoreAsync(
        string podUid, string checkpointId, string volume, Origin origin, CancellationToken cancellationToken)
    {
        if (store.Find(podUid, checkpointId, CheckpointStore.NameOfVolume(volume)) is not null)
        {
            return;
        }

        var folder = FolderOf(podUid, volume);
        if (!Directory.Exists(folder))
        {
            throw new IOException($"volume {volume} is not at {folder}: is the agent's mount of kubelet's pods there?");
        }

        // With its parent, so that the volume's own owner and mode are in it too.
        using var tar = NodeProcess.Start(
        [
            "tar", "--create", "--format=posix", "--numeric-owner", "--xattrs", "--xattrs-include=user.*",
            "--directory", Path.GetDirectoryName(folder)!, "--", volume,
        ]);
        try
        {
            var errors = NodeProcess.EndOfAsync(tar.StandardError, cancellationToken);
            using var archive = new HeldBackStream(tar.StandardOutput.BaseStream, async () =>
            {
                await tar.WaitForExitAsync(cancellationToken);
                if (tar.ExitCode != 0)
                {
                    throw new IOException(
                        $"volume {volume} cannot be read whole: "
                            + $"{new NodeProcess.Result(tar.ExitCode, "", await errors).Complaint}");
                }
            });
            await store.WriteAsync(
                podUid, checkpointId, CheckpointStore.NameOfVolume(volume), archive, origin, new Progress<long>(),
                cancellationToken);
        }
        finally
        {
            if (!tar.HasExited)
            {
                tar.Kill();
            }
        }
    }

    /// <summary>Puts a volume's content into the new pod's volume of that name, in the
    /// place of whatever is there.</summary>
    /// <exception cref="CorruptArtifactException">The content is not whole on the store.</exception>
    public async Task PlaceAsync(
        string podUid, ContainerManifest manifest, string volume, CancellationToken cancellationToken)
    {
        var folder = FolderOf(podUid, volume);
        if (!Directory.Exists(folder))
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.RestoreFailed,
                $"the pod has no emptyDir volume {volume} at {folder}");
        }

        foreach (var left in new DirectoryInfo(folder).EnumerateFileSystemInfos())
        {
            // Of an attempt that did not come to its end.
            if (left is DirectoryInfo { LinkTarget: null } inner)
            {
                inner.Delete(recursive: true);
            }
            else
            {
                left.Delete();
            }
        }

        if (!IsInMemory(folder)
            || !CanBeStaged(podUid, manifest)
            || !await PlaceInMemoryAsync(podUid, manifest, volume, folder, cancellationToken))
        {
            await ExtractAsync(manifest, Path.GetDirectoryName(folder)!, cancellationToken);
        }
    }

    /// <summary>Whether content is laid on the node's disk before it is put into memory: not where that would be for
    /// nothing, and not where the disk would be filled, which others need.</summary>
    private bool CanBeStaged(string podUid, ContainerManifest manifest) =>
        cgroup.Find(podUid) is not null
        && manifest.Size + (manifest.Entries * Block)
            + StagingSpace.Spare <= new DriveInfo(options.Value.StateRoot).AvailableFreeSpace;

    /// <summary>Puts it there on the pod's own account: what the agent wrote would be the agent's memory for
    /// as long as the pod lives.</summary>
    /// <returns>Whether it could be had so.</returns>
    private async Task<bool> PlaceInMemoryAsync(
        string podUid, ContainerManifest manifest, string volume, string folder, CancellationToken cancellationToken)
    {
        // On the node's disk first, as the dump itself: only what was verified is copied, by a
        // program that needs no memory of its own.
        var staged = PrivateFolder.MakeEmpty(
            Path.Combine(PodRestoreFolder.Of(options.Value, podUid).FullName, $".volume-{volume}"));
        try
        {
            await ExtractAsync(manifest, staged, cancellationToken);
            return await cgroup.RunAsync(
                podUid, ["cp", "--archive", "--sparse=always", "--", Path.Combine(staged, volume, "."), folder],
                cancellationToken);
        }
        catch (IOException exception) when (FullDisk.RefusalOf(exception, options.Value) is not null)
        {
            // The disk has no room for it: the memory has, and a pod that stands still is
            // worth more than whose account it is on.
            return false;
        }
        finally
        {
            Directory.Delete(staged, recursive: true);
        }
    }

    private Task ExtractAsync(ContainerManifest manifest, string folder, CancellationToken cancellationToken) =>
        store.Read(manifest).ExtractAsync(
            folder, ExtractionOptions.Everything with { Devices = true }, cancellationToken);

    private static bool IsInMemory(string folder) => new DriveInfo(folder).DriveFormat == "tmpfs";

    /// <summary>How many bytes a volume takes, and whether it is in memory; 0 where that
    /// is not found out in time.</summary>
    public async Task<(long Bytes, bool IsInMemory)> WeighAsync(
        string podUid, string volume, CancellationToken cancellationToken)
    {
        var folder = FolderOf(podUid, volume);
        if (!Directory.Exists(folder))
        {
            return default;
        }

        try
        {
            // What files go meanwhile it complains about, and counts the others.
            var du = await NodeProcess.RunAsync(
                ["du", "--summarize", "--block-size=1", "--one-file-system", "--", folder], feed: null, WeighingLimit,
                cancellationToken);
            return long.TryParse(du.Output.Split('\t')[0], CultureInfo.InvariantCulture, out var bytes)
                ? (bytes, IsInMemory(folder))
                : default;
        }
        catch (TimeoutException)
        {
            return default;
        }
    }

    private string FolderOf(string podUid, string volume) => Path.Combine(
        options.Value.KubeletPods,
        Field.Name("pod_uid", podUid),
        "volumes",
        "kubernetes.io~empty-dir",
        Field.Name("volume_names", volume));
}
