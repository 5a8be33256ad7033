using Grpc.Core;
using Microsoft.Extensions.Options;
using PodCheckpointing.Api.Protos;
using PodCheckpointing.Api.V1;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Images;

namespace PodCheckpointing.Agent.Images;

/// <summary>ConvertCheckpointToImage: an image of a checkpoint, in the node's store, in a
/// registry or on the volume.</summary>
internal sealed class ImageConversion(
    CheckpointImages images, NodeImageStore node, IOptions<ImageOptions> options, TimeProvider time,
    ILogger<ImageConversion> logger)
    : IDisposable
{
    // One at a time: the second call for one image finds what the first has made, and a
    // node's network has other things to do.
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>Makes the image, or finds it made.</summary>
    /// <exception cref="RpcException">Why not, with the reason.</exception>
    public async Task<ConvertResponse> ConvertAsync(ConvertRequest request, CancellationToken cancellationToken)
    {
        var uri = ArtifactUri.TryParse(request.ArtifactUri, out var parsed) && parsed.Container is not null
            ? parsed
            : throw Refusal.Because(
                StatusCode.InvalidArgument, Reasons.InvalidArgument,
                $"artifact_uri \"{request.ArtifactUri}\" names no container's artifact");
        var started = time.GetTimestamp();
        await _one.WaitAsync(cancellationToken);
        try
        {
            var name = ImageReference.Parse(request.ImageReference);
            var image = await images.DescribeAsync(uri.PodUid, uri.CheckpointId, uri.Container!, cancellationToken);
            var response = new ConvertResponse
            {
                ImageReference = name.ToString(),
                ImageDigest = image.ManifestDigest,
                ImageId = image.ConfigDigest,
            };
            await PlaceAsync(image, name, request.Target, response, cancellationToken);
            ImageLog.Converted(
                logger, request.ArtifactUri, name, image.ManifestDigest, response.MovedBytes,
                time.GetElapsedTime(started).TotalMilliseconds);
            return response;
        }
        catch (Exception exception) when (RefusalOf(exception) is not null)
        {
            throw RefusalOf(exception)!;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task PlaceAsync(
        OciImage image, ImageReference name, string target, ConvertResponse response,
        CancellationToken cancellationToken)
    {
        switch (target)
        {
            case "" or "NodeStore":
                response.MovedBytes = (ulong)await node.ImportAsync(image, name, cancellationToken);
                break;
            case "Registry":
                using (var registry = new RegistryConnection(name, options.Value, time))
                {
                    response.MovedBytes = (ulong)await new RegistryPush(registry, images, options.Value.PieceSize)
                        .PushAsync(image, name.Tag, cancellationToken);
                }

                break;
            case "Layout":
                var layout = await images.WriteLayoutAsync(
                    image, images.FolderOf(image), name.ToString(), name.Tag, cancellationToken);
                response.LayoutPath = layout.Folder;
                response.MovedBytes = layout.Layer == LayerOrigin.Copied ? (ulong)image.LayerSize : 0;
                break;
            default:
                throw new FormatException($"target \"{target}\" is none: write NodeStore, Registry or Layout");
        }
    }

    private static RpcException? RefusalOf(Exception exception) => exception switch
    {
        FormatException =>
            Refusal.Because(StatusCode.InvalidArgument, Reasons.InvalidArgument, exception.Message, exception),
        CorruptArtifactException =>
            Refusal.Because(StatusCode.DataLoss, Reasons.CheckpointFailed, exception.Message, exception),
        RegistryException { Failure: RegistryFailure.Unavailable } =>
            Refusal.Because(StatusCode.Unavailable, Reasons.RegistryUnavailable, exception.Message, exception),
        RegistryException { Failure: RegistryFailure.Denied } =>
            Refusal.Because(StatusCode.PermissionDenied, Reasons.RegistryDenied, exception.Message, exception),
        RegistryException { Failure: RegistryFailure.WrongDigest } =>
            Refusal.Because(StatusCode.DataLoss, Reasons.RegistryWrongDigest, exception.Message, exception),
        RegistryException =>
            Refusal.Because(StatusCode.FailedPrecondition, Reasons.RegistryRefused, exception.Message, exception),
        NodeStoreException =>
            Refusal.Because(StatusCode.FailedPrecondition, Reasons.NodeStoreFailed, exception.Message, exception),
        IOException => Refusal.Because(StatusCode.Unavailable, Reasons.CheckpointFailed, exception.Message, exception),
        _ => null,
    };
}
