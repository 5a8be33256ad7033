using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Stages verified checkpoints for the restore handler.</summary>
/// <remarks>The files are the contract with Handler/checkpoint-restore; its head names them.</remarks>
internal sealed class RestoreStaging(
    CheckpointStore store,
    VolumeContent volumes,
    AheadStaging ahead,
    PageGuard guard,
    IOptions<AgentOptions> options,
    KeyedLock<PodRestoreFolder> pods,
    TimeProvider time,
    ILogger<RestoreStaging> logger)
{
    /// <summary>Begins to stage an artifact that is still being written.</summary>
    public void Begin(StageAheadRequest request)
    {
        var (uri, folder) = (UriOf(request.ArtifactUri), FolderOf(request.PodUid, request.ContainerName));
        if (!folder.Staged.Exists && !folder.Pod.Failed.Exists)
        {
            ahead.Begin(folder, uri);
            if (request.PodNamespace.Length > 0)
            {
                _ = StageAheadAsync(request, uri, folder);
            }
        }
    }

    /// <summary>Verifies an artifact and stages it; a second call finds it staged.</summary>
    public async Task<long> PrepareAsync(PrepareRestoreRequest request, CancellationToken cancellationToken)
    {
        var (uri, folder) = (UriOf(request.ArtifactUri), FolderOf(request.PodUid, request.ContainerName));
        if (folder.Staged.Text is { } standing && standing.TrimEnd() != request.ArtifactUri)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.RestoreFailed,
                $"{standing.TrimEnd()} is staged for this container already");
        }

        return await pods.RunAsync(
            folder.Pod, () => PrepareAsync(request, uri, folder, cancellationToken), cancellationToken);
    }

    private async Task<long> PrepareAsync(
        PrepareRestoreRequest request, ArtifactUri uri, ContainerRestoreFolder folder,
        CancellationToken cancellationToken)
    {
        try
        {
            if (folder.Staged.Exists)
            {
                Confirm(request, uri, folder);
                return 0;
            }

            if ((folder.Pod.Failed.Text ?? folder.Failed.Text) is { } why)
            {
                throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, why.TrimEnd());
            }

            Directory.CreateDirectory(folder.FullName);
            MarkMembers(request, folder.Pod);
            if (request.Release)
            {
                folder.Pod.Go.Write("");
            }

            return await StageAsync(request, uri, folder, cancellationToken);
        }
        catch (IOException exception) when (FullDisk.RefusalOf(exception, options.Value) is { } full)
        {
            GiveUp(folder, full.Status.Detail);
            throw full;
        }
        catch (IOException exception)
        {
            // A volume fails and comes back: the handler goes on waiting, and the operator asks again.
            throw Refusal.Because(
                StatusCode.Unavailable, Reasons.StoreUnavailable,
                $"the checkpoint cannot be staged now: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is CorruptArtifactException or RpcException)
        {
            // The handler waits for either word; without this one it would wait in vain.
            folder.Fail(exception is RpcException rpc ? rpc.Status.Detail : exception.Message);
            throw exception is RpcException
                ? exception
                : Refusal.Because(StatusCode.DataLoss, Reasons.RestoreFailed, exception.Message, exception);
        }
    }

    /// <summary>Where there is no room: what stands half staged may have taken it, and there
    /// may be none even for a word.</summary>
    private static void GiveUp(ContainerRestoreFolder folder, string why)
    {
        try
        {
            folder.RemoveStaged();
            folder.Fail(why);
        }
        catch (IOException)
        {
            // The operator is told, and whoever cancels the restore has room by then, or ends the handler with the pod.
        }
    }

    private async Task<long> StageAsync(
        PrepareRestoreRequest request, ArtifactUri uri, ContainerRestoreFolder folder,
        CancellationToken cancellationToken)
    {
        foreach (var volume in request.VolumeNames)
        {
            await PlaceAsync(request, uri, volume, folder.Pod, cancellationToken);
        }

        // Of a staging that was cut off, by this agent or the one before.
        folder.Unconfirmed.Delete();
        folder.RemoveStaged();
        var manifest = FindExpected(request, uri);
        var watch = time.GetTimestamp();
        var temporary = await ahead.FinishAsync(folder, manifest, cancellationToken);
        if (temporary is null)
        {
            temporary = PrivateFolder.MakeEmpty(folder.Extracted);
            await store.Read(manifest).ExtractAsync(temporary, ExtractionOptions.FilesOnly, cancellationToken);
        }

        // Only this agent lets such a pod run: a handler that has its leave already could not wait for the guard.
        Publish(temporary, folder, request.ArtifactUri, manifest, mayBeLazy: !request.Release);
        LogStaged(request.PodUid, request.ContainerName, manifest, watch);
        return manifest.Size;
    }

    /// <summary>Stages what is not known to be durable yet; where that comes to nothing, it is
    /// staged when it is asked for.</summary>
    private async Task StageAheadAsync(StageAheadRequest request, ArtifactUri uri, ContainerRestoreFolder folder)
    {
        try
        {
            var watch = time.GetTimestamp();
            ContainerManifest? manifest;
            while ((manifest = store.FindAnnounced(uri.PodUid, uri.CheckpointId, uri.Container!)) is null)
            {
                // A network volume is asked each time: of a long dump, a hundredth more is waited for.
                var look = Math.Clamp(time.GetElapsedTime(watch).TotalMilliseconds / 100, 2, 200);
                await Task.Delay(TimeSpan.FromMilliseconds(look), time);
                if (!ahead.Has(folder))
                {
                    return;
                }
            }

            watch = time.GetTimestamp();
            var staged = await pods.RunAsync(folder.Pod, async () =>
            {
                if (manifest.Origin.PodNamespace != request.PodNamespace
                    || folder.Pod.Failed.Exists
                    || !ahead.Has(folder)
                    || await ahead.FinishAsync(folder, manifest, CancellationToken.None) is not { } temporary)
                {
                    return false;
                }

                // First, so that nobody takes it for more than it is.
                folder.Unconfirmed.Write(manifest.Digest);
                Publish(temporary, folder, request.ArtifactUri, manifest, mayBeLazy: true);
                return true;
            });
            if (staged)
            {
                LogStaged(request.PodUid, request.ContainerName, manifest, watch);
            }
        }
        catch (Exception exception)
        {
            AgentLog.NotAhead(logger, request.PodUid, request.ContainerName, exception.Message);
        }
    }

    /// <summary>What was staged before it was known to be durable is what the sealed checkpoint says.</summary>
    private void Confirm(PrepareRestoreRequest request, ArtifactUri uri, ContainerRestoreFolder folder)
    {
        if (folder.Unconfirmed.Text is { } digest)
        {
            if (FindExpected(request, uri).Digest != digest.TrimEnd())
            {
                throw new CorruptArtifactException("the pod was dumped again after its checkpoint had been staged");
            }

            MarkMembers(request, folder.Pod);
            folder.Unconfirmed.Delete();
        }
    }

    private void Publish(
        string temporary, ContainerRestoreFolder folder, string artifact, ContainerManifest manifest, bool mayBeLazy)
    {
        folder.Take(temporary);
        RootfsChanges.Prepare(folder.FullName);
        // The tree stays stopped until the runtime's "start". On cgroup v1 its cgroup is the handler's business.
        folder.CriuConfig.Write(
            $"leave-stopped\n{CriuConfiguration.CgroupLine(options.Value)}{CriuConfiguration.TcpLine(manifest.Origin.TcpPolicy)}"
                .TrimEnd());
        folder.Image.Write(manifest.Dump?.ImageDigest ?? "");
        if (mayBeLazy && guard.Wants(folder))
        {
            folder.Lazy.Write("");
        }

        folder.Staged.Write(artifact);
        folder.Wake();
    }

    private void LogStaged(string podUid, string container, ContainerManifest manifest, long watch)
    {
        var took = time.GetElapsedTime(watch);
        AgentLog.Staged(logger, podUid, container, manifest.Size, took.TotalMilliseconds);
        OperationMeter.Staged(manifest.Size, took);
    }

    private static void MarkMembers(PrepareRestoreRequest request, PodRestoreFolder pod)
    {
        var members = request.ContainerNames.Count > 0
            ? request.ContainerNames.AsEnumerable()
            : [request.ContainerName];
        pod.Members.Write(string.Join('\n', members));
    }

    private ContainerManifest FindExpected(PrepareRestoreRequest request, ArtifactUri uri)
    {
        var manifest = Find(request, uri, uri.Container!);
        return request.ExpectedDigest.Length == 0 || request.ExpectedDigest == manifest.CompressedDigest
            ? manifest
            : throw new CorruptArtifactException("the artifact on the volume is not the one that its content names");
    }

    /// <summary>A manifest that the pod may have: of a sealed checkpoint, taken in the
    /// namespace that it must be of.</summary>
    private ContainerManifest Find(PrepareRestoreRequest request, ArtifactUri uri, string name)
    {
        var manifest = store.FindSealed(uri.PodUid, uri.CheckpointId, name);
        var origin = request.OriginNamespace.Length > 0 ? request.OriginNamespace : request.PodNamespace;
        return manifest.Origin.PodNamespace == origin
            ? manifest
            : throw Refusal.Because(
                StatusCode.PermissionDenied,
                Reasons.NamespaceMismatch,
                $"the checkpoint belongs to namespace {manifest.Origin.PodNamespace}; a pod in "
                    + $"{request.PodNamespace} may not restore it");
    }

    /// <summary>Once for the pod, and before any of its containers can be restored.</summary>
    private async Task PlaceAsync(
        PrepareRestoreRequest request, ArtifactUri uri, string volume, PodRestoreFolder pod,
        CancellationToken cancellationToken)
    {
        if (!pod.Volume(volume).Exists)
        {
            await volumes.PlaceAsync(
                request.PodUid, Find(request, uri, CheckpointStore.NameOfVolume(volume)), volume, cancellationToken);
            pod.Volume(volume).Write(request.ArtifactUri);
        }
    }

    private ContainerRestoreFolder FolderOf(string podUid, string container) =>
        PodRestoreFolder.Of(options.Value, podUid).Of(container);

    private static ArtifactUri UriOf(string text) =>
        ArtifactUri.TryParse(text, out var uri) && uri.Container is not null
            ? uri
            : throw Refusal.Because(
                StatusCode.InvalidArgument, Reasons.InvalidArgument,
                $"artifact_uri \"{text}\" names no container's artifact");
}
