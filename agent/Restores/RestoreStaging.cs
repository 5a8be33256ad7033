using System.Diagnostics;
using System.Globalization;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Agent.Checkpoints;
using PodCheckpointing.Agent.Metrics;
using PodCheckpointing.Agent.Runtimes;
using PodCheckpointing.Agent.Volumes;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Archives;
using static PodCheckpointing.Agent.Restores.RestoreFolder;

namespace PodCheckpointing.Agent.Restores;

/// <summary>Stages verified checkpoints for the restore handler, and reads what it reports.</summary>
/// <remarks>The files are the contract with Handler/checkpoint-restore; its head names them.</remarks>
internal sealed class RestoreStaging(
    CheckpointStore store,
    VolumeContent volumes,
    AheadStaging ahead,
    PageGuard guard,
    IOptions<AgentOptions> options,
    TimeProvider time,
    ILogger<RestoreStaging> logger) : IDisposable
{
    /// <summary>What of an archive a restore needs.</summary>
    internal static readonly string[] StagedParts = ["checkpoint", "rootfs-diff.tar", "deleted.files", "config.dump", "spec.dump"];

    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>Begins to stage an artifact that is still being written.</summary>
    public void Begin(StageAheadRequest request)
    {
        var (uri, folder) = (UriOf(request.ArtifactUri), FolderOf(request.PodUid, request.ContainerName));
        if (!File.Exists(Path.Combine(folder, "staged")) && Text(Path.GetDirectoryName(folder)!, "failed") is null)
        {
            ahead.Begin(folder, uri);
        }
    }

    /// <summary>Verifies an artifact and stages it; a second call finds it staged.</summary>
    public async Task<long> PrepareAsync(PrepareRestoreRequest request, CancellationToken cancellationToken)
    {
        var uri = UriOf(request.ArtifactUri);
        var folder = FolderOf(request.PodUid, request.ContainerName);
        if (Text(folder, "staged") is { } standing && standing.TrimEnd() != request.ArtifactUri)
        {
            throw Refusal.Because(
                StatusCode.FailedPrecondition, Reasons.RestoreFailed, $"{standing.TrimEnd()} is staged for this container already");
        }

        await _one.WaitAsync(cancellationToken);
        try
        {
            if (File.Exists(Path.Combine(folder, "staged")))
            {
                return 0;
            }

            if ((Text(Path.GetDirectoryName(folder)!, "failed") ?? Text(folder, "failed")) is { } why)
            {
                throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, why.TrimEnd());
            }

            Directory.CreateDirectory(folder);
            var members = request.ContainerNames.Count > 0 ? request.ContainerNames.AsEnumerable() : [request.ContainerName];
            Mark(Path.GetDirectoryName(folder)!, "members", string.Join('\n', members));
            if (request.Release)
            {
                Mark(Path.GetDirectoryName(folder)!, "go", "");
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
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    /// <summary>Lets a pod's restored processes run that hold no address.</summary>
    public Task ReleaseAsync(string podUid, CancellationToken cancellationToken) =>
        ReleaseAsync(podUid, () => Task.CompletedTask, cancellationToken);

    /// <summary>Lets a pod's restored processes run: at once, where every container has been started, else the handler
    /// does it at the start of the last one.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="before">What is done immediately before.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="RpcException">The restore was cancelled.</exception>
    public async Task ReleaseAsync(string podUid, Func<Task> before, CancellationToken cancellationToken)
    {
        var folder = Path.GetDirectoryName(FolderOf(podUid, "any"))!;
        await StartedAsync(folder, cancellationToken);
        await _one.WaitAsync(cancellationToken);
        try
        {
            var members = Text(folder, "members")?.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(m => Path.Combine(folder, m)).ToList()
                ?? throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, "nothing of the pod is staged here");
            if (members.Prepend(folder).Select(m => Text(m, "failed")).OfType<string>().FirstOrDefault() is { } why)
            {
                throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, why.TrimEnd());
            }

            foreach (var member in members.Where(m => PageGuard.AreComing(m) && !File.Exists(Path.Combine(m, "running"))))
            {
                await guard.TakeAsync(member, cancellationToken);
            }

            await before();
            // Its word first, then the look; the handler does it the other way round, so that one of them sees both.
            Mark(folder, "go", "");
            if (members.All(m => File.Exists(Path.Combine(m, "started")) && !File.Exists(Path.Combine(m, "running"))))
            {
                if (!Decide(folder, "Run"))
                {
                    throw Refusal.Because(StatusCode.FailedPrecondition, Reasons.RestoreFailed, "the restore was cancelled");
                }

                var at = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
                foreach (var member in members)
                {
                    // Every process: one that stays stopped would hang its peers.
                    foreach (var pid in ContainerRuntime.Tree((int)Number(Text(member, "pid")!)))
                    {
                        Signals.Continue(pid);
                    }

                    Mark(member, "running", at.ToString(CultureInfo.InvariantCulture));
                }
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>A pod whose pages come later is let run from here, and so when all its containers have been started. Nothing is
    /// held meanwhile: it may be cancelled.</summary>
    private static async Task StartedAsync(string folder, CancellationToken cancellationToken)
    {
        var members = (Text(folder, "members") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(m => Path.Combine(folder, m)).ToList();
        bool Has(string member, string name) => File.Exists(Path.Combine(member, name));
        if (members.Any(m => Has(m, "lazy")))
        {
            while (!members.All(m => Has(m, "started")) && !members.Prepend(folder).Any(m => Has(m, "failed") || Has(m, "error")))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(2), cancellationToken);
            }
        }
    }

    /// <summary>Whatever of a pod waits for its checkpoint fails, none will be staged any more, and what does not run yet
    /// never will.</summary>
    /// <param name="podUid">The pod.</param>
    /// <param name="reason">What the failure will say.</param>
    /// <param name="unlessRun">Leaves a pod alone whose processes have been let run.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether its processes have been let run.</returns>
    public async Task<bool> CancelAsync(string podUid, string reason, bool unlessRun, CancellationToken cancellationToken)
    {
        var folder = Path.GetDirectoryName(FolderOf(podUid, "any"))!;
        await _one.WaitAsync(cancellationToken);
        try
        {
            // For the whole pod, and first: its create may not have come as far as its folder.
            Directory.CreateDirectory(folder);
            var hasRun = !Decide(folder, "Cancelled");
            if (hasRun && unlessRun)
            {
                return true;
            }

            Fail(folder, reason);
            await ahead.GiveUpAsync(folder);
            foreach (var container in Directory.GetDirectories(folder))
            {
                File.Delete(Path.Combine(container, "staged"));
            }

            return hasRun;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>How far the handler has come; waits for the end of it up to the caller's time.</summary>
    public async Task<IReadOnlyList<ContainerRestore>> WatchAsync(
        GetRestoreRequest request, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        var wait = TimeSpan.FromMilliseconds(Math.Min(request.WaitMilliseconds, 60_000));
        while (true)
        {
            var states = request.ContainerNames.Select(c => StateOf(FolderOf(request.PodUid, c), c)).ToList();
            if (states.All(s => s.Phase == "Running" || (s.Phase == "Restored" && request.Until == "Restored"))
                || states.Any(s => s.Phase == "Failed" || (s.Phase == request.Until && request.Until != "Restored"))
                || Stopwatch.GetElapsedTime(began) >= wait)
            {
                OperationMeter.Seen(request.PodUid, states, container => RestoredAt(FolderOf(request.PodUid, container)));
                return states;
            }

            // Markers are renamed into place by a shell script: a short look is simpler than a watch on folders that
            // may not exist yet, and as quick as the operator can use it.
            await Task.Delay(TimeSpan.FromMilliseconds(10), cancellationToken);
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

    private string FolderOf(string podUid, string container)
    {
        foreach (var part in new[] { podUid, container })
        {
            if (part.Length is 0 or > 63 || !part.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-'))
            {
                throw Refusal.Because(StatusCode.InvalidArgument, "InvalidArgument", $"\"{part}\" is no uid or container name");
            }
        }

        return Path.Combine(options.Value.RestoresFolder, podUid, container);
    }
}
