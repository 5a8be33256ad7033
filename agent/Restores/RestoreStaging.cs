using System.Diagnostics;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;
using static PodCheckpointing.Agent.Restores.RestoreFolder;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Stages verified checkpoints for the restore handler.</summary>
/// <remarks>The files are the contract with Handler/checkpoint-restore; its head names them.</remarks>
internal sealed class RestoreStaging(
    CheckpointStore store,
    VolumeContent volumes,
    AheadStaging ahead,
    PageGuard guard,
    IOptions<AgentOptions> options,
    KeyedLock<string> pods,
    ILogger<RestoreStaging> logger)
{
    /// <summary>What of an archive a restore needs.</summary>
    internal static readonly string[] StagedParts = ["checkpoint", "rootfs-diff.tar", "deleted.files", "config.dump", "spec.dump"];

    private const string Extracted = ".extract";

    /// <summary>Begins to stage an artifact that is still being written.</summary>
    public void Begin(StageAheadRequest request)
    {
        var (uri, folder) = (UriOf(request.ArtifactUri), Of(options, request.PodUid, request.ContainerName));
        if (!File.Exists(Path.Combine(folder, "staged")) && Text(Path.GetDirectoryName(folder)!, "failed") is null)
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
        var uri = UriOf(request.ArtifactUri);
        var folder = Of(options, request.PodUid, request.ContainerName);
        if (Text(folder, "staged") is { } standing && standing.TrimEnd() != request.ArtifactUri)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.RestoreFailed, $"{standing.TrimEnd()} is staged for this container already");
        }

        return await pods.RunAsync(Path.GetDirectoryName(folder)!, () => PrepareAsync(request, uri, folder, cancellationToken), cancellationToken);
    }

    private async Task<long> PrepareAsync(
        PrepareRestoreRequest request, ArtifactUri uri, string folder, CancellationToken cancellationToken)
    {
        var pod = Path.GetDirectoryName(folder)!;
        try
        {
            if (File.Exists(Path.Combine(folder, "staged")))
            {
                Confirm(request, uri, folder);
                return 0;
            }

            if ((Text(pod, "failed") ?? Text(folder, "failed")) is { } why)
            {
                throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, why.TrimEnd());
            }

            Directory.CreateDirectory(folder);
            MarkMembers(request, pod);
            if (request.Release)
            {
                Mark(pod, "go", "");
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
                StatusCode.Unavailable, Reasons.StoreUnavailable, $"the checkpoint cannot be staged now: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is CorruptArtifactException or RpcException)
        {
            // The handler waits for either word; without this one it would wait in vain.
            Fail(folder, exception is RpcException rpc ? rpc.Status.Detail : exception.Message);
            throw exception is RpcException
                ? exception
                : Refusal.Because(StatusCode.DataLoss, Reasons.RestoreFailed, exception.Message, exception);
        }
    }

    /// <summary>Where there is no room: what stands half staged may have taken it, and there may be none even for a word.</summary>
    private static void GiveUp(string folder, string why)
    {
        try
        {
            Remove(folder, [Extracted, .. StagedParts]);
            Fail(folder, why);
        }
        catch (IOException)
        {
            // The operator is told, and whoever cancels the restore has room by then, or ends the handler with the pod.
        }
    }

    private async Task<long> StageAsync(
        PrepareRestoreRequest request, ArtifactUri uri, string folder, CancellationToken cancellationToken)
    {
        foreach (var volume in request.VolumeNames)
        {
            await PlaceAsync(request, uri, volume, Path.GetDirectoryName(folder)!, cancellationToken);
        }

        // Of a staging that was cut off, by this agent or the one before.
        Remove(folder, ["unconfirmed", Extracted, .. StagedParts]);
        var manifest = FindExpected(request, uri);
        var watch = Stopwatch.GetTimestamp();
        var temporary = await ahead.FinishAsync(folder, manifest, cancellationToken);
        if (temporary is null)
        {
            temporary = MakeEmpty(Path.Combine(folder, Extracted));
            await store.Read(manifest).ExtractAsync(temporary, ExtractionOptions.FilesOnly, cancellationToken);
        }

        // Only this agent lets such a pod run: a handler that has its leave already could not wait for the guard.
        Put(temporary, folder, request.ArtifactUri, manifest, mayBeLazy: !request.Release);
        Told(request.PodUid, request.ContainerName, manifest, watch);
        return manifest.Size;
    }

    /// <summary>Stages what is not known to be durable yet; where that comes to nothing, it is staged when it is asked for.</summary>
    private async Task StageAheadAsync(StageAheadRequest request, ArtifactUri uri, string folder)
    {
        try
        {
            var watch = Stopwatch.GetTimestamp();
            ContainerManifest? manifest;
            while ((manifest = store.FindAnnounced(uri.PodUid, uri.CheckpointId, uri.Container!)) is null)
            {
                // A network volume is asked each time: of a long dump, a hundredth more is waited for.
                var look = Math.Clamp(Stopwatch.GetElapsedTime(watch).TotalMilliseconds / 100, 2, 200);
                await Task.Delay(TimeSpan.FromMilliseconds(look));
                if (!ahead.Has(folder))
                {
                    return;
                }
            }

            watch = Stopwatch.GetTimestamp();
            var pod = Path.GetDirectoryName(folder)!;
            var staged = await pods.RunAsync(pod, async () =>
            {
                if (manifest.Origin.PodNamespace != request.PodNamespace
                    || File.Exists(Path.Combine(pod, "failed"))
                    || !ahead.Has(folder)
                    || await ahead.FinishAsync(folder, manifest, CancellationToken.None) is not { } temporary)
                {
                    return false;
                }

                // First, so that nobody takes it for more than it is.
                Mark(folder, "unconfirmed", manifest.Digest);
                Put(temporary, folder, request.ArtifactUri, manifest, mayBeLazy: true);
                return true;
            });
            if (staged)
            {
                Told(request.PodUid, request.ContainerName, manifest, watch);
            }
        }
        catch (Exception exception)
        {
            AgentLog.NotAhead(logger, request.PodUid, request.ContainerName, exception.Message);
        }
    }

    /// <summary>What was staged before it was known to be durable is what the sealed checkpoint says.</summary>
    private void Confirm(PrepareRestoreRequest request, ArtifactUri uri, string folder)
    {
        if (Text(folder, "unconfirmed") is { } digest)
        {
            if (FindExpected(request, uri).Digest != digest.TrimEnd())
            {
                throw new CorruptArtifactException("the pod was dumped again after its checkpoint had been staged");
            }

            MarkMembers(request, Path.GetDirectoryName(folder)!);
            File.Delete(Path.Combine(folder, "unconfirmed"));
        }
    }

    private void Put(string temporary, string folder, string artifact, ContainerManifest manifest, bool mayBeLazy)
    {
        foreach (var name in StagedParts)
        {
            var from = Path.Combine(temporary, name);
            var to = Path.Combine(folder, name);
            // Of an agent that was killed here, perhaps of another artifact.
            Remove(folder, [name]);
            if (Directory.Exists(from))
            {
                Directory.Move(from, to);
            }
            else if (File.Exists(from))
            {
                File.Move(from, to);
            }
        }

        Directory.Delete(temporary, recursive: true);
        RootfsChanges.Prepare(folder);
        // The tree stays stopped until the runtime's "start"; its cgroup is the handler's business.
        File.WriteAllText(
            Path.Combine(folder, "criu.conf"),
            "leave-stopped\nmanage-cgroups=ignore\n" + CriuConfiguration.TcpLine(manifest.Origin.TcpPolicy));
        File.WriteAllText(Path.Combine(folder, "image"), (manifest.Dump?.ImageDigest ?? "") + "\n");
        if (mayBeLazy && guard.Wants(folder))
        {
            Mark(folder, "lazy", "");
        }

        Mark(folder, "staged", artifact);
        Wake(folder);
    }

    private static void Remove(string folder, IEnumerable<string> names)
    {
        foreach (var path in names.Select(n => Path.Combine(folder, n)))
        {
            if (Directory.Exists(path))
            {
                Directory.Delete(path, recursive: true);
            }

            File.Delete(path);
        }
    }

    private void Told(string podUid, string container, ContainerManifest manifest, long watch)
    {
        var took = Stopwatch.GetElapsedTime(watch);
        AgentLog.Staged(logger, podUid, container, manifest.Size, took.TotalMilliseconds);
        OperationMeter.Staged(manifest.Size, took);
    }

    private static void MarkMembers(PrepareRestoreRequest request, string pod)
    {
        var members = request.ContainerNames.Count > 0 ? request.ContainerNames.AsEnumerable() : [request.ContainerName];
        Mark(pod, "members", string.Join('\n', members));
    }

    private ContainerManifest FindExpected(PrepareRestoreRequest request, ArtifactUri uri)
    {
        var manifest = Find(request, uri, uri.Container!);
        return request.ExpectedDigest.Length == 0 || request.ExpectedDigest == manifest.CompressedDigest
            ? manifest
            : throw new CorruptArtifactException("the artifact on the volume is not the one that its content names");
    }

    /// <summary>A manifest that the pod may have: of a sealed checkpoint, taken in the namespace that it must be of.</summary>
    private ContainerManifest Find(PrepareRestoreRequest request, ArtifactUri uri, string name)
    {
        var manifest = store.FindSealed(uri.PodUid, uri.CheckpointId, name);
        var origin = request.OriginNamespace.Length > 0 ? request.OriginNamespace : request.PodNamespace;
        return manifest.Origin.PodNamespace == origin
            ? manifest
            : throw Refusal.Because(
                StatusCode.PermissionDenied,
                Reasons.NamespaceMismatch,
                $"the checkpoint belongs to namespace {manifest.Origin.PodNamespace}; a pod in {request.PodNamespace} may not restore it");
    }

    /// <summary>Once for the pod, and before any of its containers can be restored.</summary>
    private async Task PlaceAsync(
        PrepareRestoreRequest request, ArtifactUri uri, string volume, string folder, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(folder, $"volume.{volume}")))
        {
            await volumes.PlaceAsync(
                request.PodUid, Find(request, uri, VolumeContent.NameOf(volume)), volume, cancellationToken);
            Mark(folder, $"volume.{volume}", request.ArtifactUri);
        }
    }

    private static ArtifactUri UriOf(string text) =>
        ArtifactUri.TryParse(text, out var uri) && uri.Container is not null
            ? uri
            : throw Refusal.Because(StatusCode.InvalidArgument, "InvalidArgument", $"artifact_uri \"{text}\" names no container's artifact");
}
