using System.Runtime.CompilerServices;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Maintenance;
using StoredCheckpoint = PodCheckpointing.Api.Protos.StoredCheckpoint;

namespace PodCheckpointing.Agent.Checkpoints;

/// <summary>What the volume holds, and whether it is whole; and takes it away.</summary>
internal sealed class StoreInventory(
    CheckpointStore store, StoreCalls calls, IOptions<AgentOptions> options, TimeProvider time)
{
    private readonly StoreInspection _inspection = new(options.Value.StoreRoot, time);

    /// <summary>Compares marker and manifests and, where asked, every byte.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT, DATA_LOSS with what is broken or missing, or UNAVAILABLE where
    /// the volume does not answer.</exception>
    public async Task<VerifyCheckpointResponse> VerifyAsync(
        VerifyCheckpointRequest request, CancellationToken cancellationToken)
    {
        try
        {
            var uri = ArtifactUri.Parse(request.ArtifactUri);
            var manifests = await calls.AskAsync(
                () => request.ManifestsOnly ? FindCompared(uri) : Find(uri), cancellationToken);
            foreach (var manifest in request.ManifestsOnly ? [] : manifests)
            {
                await store.Read(manifest).VerifyAsync(cancellationToken);
            }

            return new VerifyCheckpointResponse
            {
                VerifiedBytes = request.ManifestsOnly ? 0 : (ulong)manifests.Sum(m => m.Size),
                Checkpoint = Describe(
                    uri.PodUid, uri.CheckpointId, isSealed: true, manifests.Sum(m => m.CompressedSize),
                    manifests.Max(m => m.CreatedAt), manifests),
            };
        }
        catch (Exception exception) when (exception is FormatException or ArgumentException)
        {
            throw Refusal.Because(StatusCode.InvalidArgument, Reasons.InvalidArgument, exception.Message, exception);
        }
        catch (CorruptArtifactException exception)
        {
            throw Refusal.Because(StatusCode.DataLoss, Reasons.ArtifactMissing, exception.Message, exception);
        }
        catch (Exception exception) when (AbsentVolume.IsMeantBy(exception))
        {
            throw AbsentVolume.RefusalOf(exception, options.Value);
        }
    }

    /// <summary>Every checkpoint on the volume, one by one.</summary>
    /// <exception cref="RpcException">UNAVAILABLE: the volume does not answer.</exception>
    public async IAsyncEnumerable<StoredCheckpoint> ListAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Not disposed of: where the volume hangs, a thread is in it still.
        var list = _inspection.List().GetEnumerator();
        StoredCheckpoint? Next() => list.MoveNext() && list.Current is var c
            ? Describe(c.PodUID, c.CheckpointID, c.Complete, c.Bytes, c.LastWritten, c.Manifests)
            : null;
        while (true)
        {
            StoredCheckpoint? next;
            try
            {
                next = await calls.WorkAsync(Next, cancellationToken);
            }
            catch (Exception exception) when (AbsentVolume.IsMeantBy(exception))
            {
                throw AbsentVolume.RefusalOf(exception, options.Value);
            }

            if (next is null)
            {
                yield break;
            }

            yield return next;
        }
    }

    /// <summary>Takes a checkpoint, or one container's part of it, off the volume.</summary>
    /// <returns>Bytes that are free now.</returns>
    /// <exception cref="RpcException">UNAVAILABLE: the volume does not answer; or, with CheckpointInProgress, somebody
    /// writes or removes it. Later it can be removed.</exception>
    public async Task<long> RemoveAsync(
        string podUid, string checkpointId, string? container, CancellationToken cancellationToken)
    {
        try
        {
            return await calls.RemoveAsync(
                begun => store.Delete(podUid, checkpointId, container, begun), cancellationToken);
        }
        catch (StoreInUseException exception)
        {
            // No other agent is asked instead, which might not see the lock: see AnyAgent.AskAnyAsync.
            throw Refusal.Because(StatusCode.Unavailable, Reasons.CheckpointInProgress, exception.Message, exception);
        }
        catch (Exception exception) when (AbsentVolume.IsMeantBy(exception))
        {
            throw AbsentVolume.RefusalOf(exception, options.Value);
        }
    }

    private IReadOnlyList<ContainerManifest> Find(ArtifactUri uri) => uri.Container is { } container
        ? [store.FindSealed(uri.PodUid, uri.CheckpointId, container)]
        : store.FindSealed(uri.PodUid, uri.CheckpointId);

    /// <summary>With the artifacts' lengths: quickly done, and a missing one is what
    /// an import has to find out.</summary>
    private IReadOnlyList<ContainerManifest> FindCompared(ArtifactUri uri)
    {
        var manifests = Find(uri);
        foreach (var manifest in manifests)
        {
            _ = store.Find(uri.PodUid, uri.CheckpointId, manifest.Container) ?? throw new CorruptArtifactException(
                $"the artifact of container {manifest.Container} is missing or has another size");
        }

        return manifests;
    }

    private static StoredCheckpoint Describe(
        string podUid, string checkpointId, bool isSealed, long bytes, DateTime written,
        IReadOnlyList<ContainerManifest> manifests)
    {
        var origin = manifests.Count > 0 ? manifests[0].Origin : new Origin();
        var result = new StoredCheckpoint
        {
            PodUid = podUid,
            CheckpointId = checkpointId,
            IsSealed = isSealed,
            Bytes = (ulong)bytes,
            LastWritten = Timestamp.FromDateTime(DateTime.SpecifyKind(written, DateTimeKind.Utc)),
            PodNamespace = origin.PodNamespace,
            PodName = origin.PodName,
            NodeName = origin.NodeName,
        };
        result.ContainerNames.AddRange(manifests.Select(m => m.Container).Where(c => !c.StartsWith('.')));
        result.VolumeNames.AddRange(
            manifests.Select(m => m.Container).Where(c => c.StartsWith('.')).Select(c => Path.GetFileName(c)));
        return result;
    }
}
