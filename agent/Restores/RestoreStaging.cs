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

    /// <summary>Begins to stage an artifact that is still being written.</summary>
    public void Begin(StageAheadRequest request)
    {
        var (uri, folder) = (UriOf(request.ArtifactUri), Of(options, request.PodUid, request.ContainerName));
        if (!File.Exists(Path.Combine(folder, "staged")) && Text(Path.GetDirectoryName(folder)!, "failed") is null)
        {
            ahead.Begin(folder, uri);
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
        if (File.Exists(Path.Combine(folder, "staged")))
        {
            return 0;
        }

        var pod = Path.GetDirectoryName(folder)!;
        try
        {
            if ((Text(pod, "failed") ?? Text(folder, "failed")) is { } why)
            {
                throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, why.TrimEnd());
            }

            Directory.CreateDirectory(folder);
            var members = request.ContainerNames.Count > 0 ? request.ContainerNames.AsEnumerable() : [request.ContainerName];
            Mark(pod, "members", string.Join('\n', members));
            if (request.Release)
            {
                Mark(pod, "go", "");
            }

            return await StageAsync(request, uri, folder, cancellationToken);
        }
        catch (Exception exception) when (exception is CorruptArtifactException or IOException or RpcException)
        {
            // The handler waits for either word; without this one it would wait in vain.
            Fail(folder, exception is RpcException rpc ? rpc.Status.Detail : exception.Message);
            throw exception is RpcException
                ? exception
                : Refusal.Because(StatusCode.DataLoss, Reasons.RestoreFailed, exception.Message, exception);
        }
    }

    private async Task<long> StageAsync(
        PrepareRestoreRequest request, ArtifactUri uri, string folder, CancellationToken cancellationToken)
    {
        foreach (var volume in request.VolumeNames)
        {
            await PlaceAsync(request, uri, volume, Path.GetDirectoryName(folder)!, cancellationToken);
        }

        var manifest = Find(request, uri, uri.Container!);
        if (request.ExpectedDigest.Length > 0 && request.ExpectedDigest != manifest.CompressedDigest)
        {
            throw new CorruptArtifactException("the artifact on the volume is not the one that its content names");
        }

        var watch = Stopwatch.GetTimestamp();
        var temporary = await ahead.FinishAsync(folder, manifest, cancellationToken);
        if (temporary is null)
        {
            temporary = MakeEmpty(Path.Combine(folder, ".extract"));
            await store.Read(manifest).ExtractAsync(temporary, ExtractionOptions.FilesOnly, cancellationToken);
        }

        var bytes = manifest.Size;
        foreach (var name in StagedParts)
        {
            var from = Path.Combine(temporary, name);
            var to = Path.Combine(folder, name);
            if (Directory.Exists(from))
            {
                Directory.Move(from, to);
            }
            else if (File.Exists(from))
            {
                File.Move(from, to, overwrite: true);
            }
        }

        Directory.Delete(temporary, recursive: true);
        // The tree stays stopped until the runtime's "start"; its cgroup is the handler's business.
        await File.WriteAllTextAsync(
            Path.Combine(folder, "criu.conf"),
            "leave-stopped\nmanage-cgroups=ignore\n" + CriuConfiguration.TcpLine(manifest.Origin.TcpPolicy),
            cancellationToken);
        // Only this agent lets such a pod run: a handler that has its leave already could not wait for the guard.
        if (!request.Release && guard.Wants(folder))
        {
            Mark(folder, "lazy", "");
        }

        Mark(folder, "staged", request.ArtifactUri);
        var took = Stopwatch.GetElapsedTime(watch);
        AgentLog.Staged(logger, request.PodUid, request.ContainerName, bytes, took.TotalMilliseconds);
        OperationMeter.Staged(bytes, took);
        return bytes;
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
