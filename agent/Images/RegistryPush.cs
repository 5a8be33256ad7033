using System.Net;
using System.Net.Http.Headers;
using PodCheckpointing.Storage;
using PodCheckpointing.Storage.Images;

namespace PodCheckpointing.Agent.Images;

/// <summary>Pushes a checkpoint's image to a registry (the OCI distribution API), and reads it back.</summary>
/// <remarks>
/// The layer goes up in pieces straight from the volume; a broken connection costs a piece at most. The tag comes last,
/// so an upload that failed has changed nothing that anybody could pull.
/// </remarks>
internal sealed class RegistryPush(RegistryConnection registry, CheckpointImages images, int pieceSize)
{
    private const int LargestAnswer = 4 << 20;
    private const string DigestHeader = "Docker-Content-Digest";

    /// <summary>Pushes an image; returns the bytes that had to be sent. One that is
    /// there whole costs nothing.</summary>
    /// <exception cref="RegistryException">The registry does not take it, or holds
    /// something else afterwards.</exception>
    /// <exception cref="CorruptArtifactException">The dump is not what its manifest
    /// says; nothing was published.</exception>
    public async Task<long> PushAsync(OciImage image, string tag, CancellationToken cancellationToken)
    {
        long sent = 0;
        if (!await HasAsync(image.LayerDigest, image.LayerSize, cancellationToken))
        {
            sent += await UploadLayerAsync(image, cancellationToken);
        }

        if (!await HasAsync(image.ConfigDigest, image.Config.Length, cancellationToken))
        {
            using var config = new MemoryStream(image.Config, writable: false);
            sent += await UploadAsync(config, image.Config.Length, image.ConfigDigest, cancellationToken);
        }

        if (await ManifestAsync(tag, cancellationToken) is not { } standing
            || !standing.AsSpan().SequenceEqual(image.Manifest))
        {
            await registry.RetryAsync(token => TagAsync(image, tag, token), cancellationToken);
            sent += image.Manifest.Length;
        }

        await VerifyAsync(image, tag, cancellationToken);
        return sent;
    }

    private async Task<long> UploadLayerAsync(OciImage image, CancellationToken cancellationToken)
    {
        await using var layer = images.OpenLayer(image);
        return await UploadAsync(layer, image.LayerSize, image.LayerDigest, cancellationToken);
    }

    private Task<bool> HasAsync(string digest, long size, CancellationToken cancellationToken) => registry.RetryAsync(
        async token =>
        {
            using var response = await registry.SendAsync(() => new(HttpMethod.Head, At($"blobs/{digest}")), token);
            if (response.StatusCode == HttpStatusCode.NotFound)
            {
                return false;
            }

            Compare(response, digest);
            return response.Content.Headers.ContentLength is not { } length || length == size
                ? true
                : throw Wrong($"{response.Content.Headers.ContentLength} bytes as blob {digest}, which has {size}");
        },
        cancellationToken);

    private async Task<long> UploadAsync(Stream content, long size, string digest, CancellationToken cancellationToken)
    {
        var upload = new BlobUpload(registry, content, size, digest, pieceSize);
        try
        {
            return await upload.RunAsync(cancellationToken);
        }
        catch
        {
            // What has come so far is nobody's: a registry that is there may forget it at once.
            await upload.AbandonAsync();
            throw;
        }
    }

    private async Task<bool> TagAsync(OciImage image, string tag, CancellationToken cancellationToken)
    {
        using var response = await registry.SendAsync(
            () => new HttpRequestMessage(HttpMethod.Put, At($"manifests/{tag}"))
            {
                Content = new ByteArrayContent(image.Manifest)
                {
                    Headers = { ContentType = new MediaTypeHeaderValue(OciImage.ManifestType) },
                },
            },
            cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            throw new RegistryException(RegistryFailure.Refused, "the registry knows no repository of that name");
        }

        Compare(response, image.ManifestDigest);
        return true;
    }

    private Task<byte[]?> ManifestAsync(string tag, CancellationToken cancellationToken) => registry.RetryAsync(
        async token =>
        {
            using var response = await registry.SendAsync(
                () => new HttpRequestMessage(HttpMethod.Get, At($"manifests/{tag}"))
                {
                    Headers = { Accept = { new MediaTypeWithQualityHeaderValue(OciImage.ManifestType) } },
                },
                token);
            return response.StatusCode == HttpStatusCode.NotFound ? null : await BodyAsync(response, token);
        },
        cancellationToken);

    // By what it serves, not by what it answered to the upload.
    private async Task VerifyAsync(OciImage image, string tag, CancellationToken cancellationToken)
    {
        var manifest = await ManifestAsync(tag, cancellationToken);
        if (manifest is null || Digest.Of(manifest) != image.ManifestDigest)
        {
            throw Wrong(
                $"{(manifest is null ? "nothing" : Digest.Of(manifest))} as {tag}, which is {image.ManifestDigest}");
        }

        var config = await registry.RetryAsync(
            async token =>
            {
                using var response =
                    await registry.SendAsync(() => new(HttpMethod.Get, At($"blobs/{image.ConfigDigest}")), token);
                return await BodyAsync(response, token);
            },
            cancellationToken);
        if (Digest.Of(config) != image.ConfigDigest)
        {
            throw Wrong($"{Digest.Of(config)} as blob {image.ConfigDigest}");
        }

        if (!await HasAsync(image.LayerDigest, image.LayerSize, cancellationToken))
        {
            throw Wrong($"no blob {image.LayerDigest}");
        }
    }

    private static async Task<byte[]> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            await response.Content.LoadIntoBufferAsync(LargestAnswer, cancellationToken);
            return await response.Content.ReadAsByteArrayAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new RegistryException(RegistryFailure.Unavailable, "the registry broke off its answer", exception);
        }
    }

    private Uri At(string path) => new(registry.Base, path);

    private static void Compare(HttpResponseMessage response, string expected)
    {
        if (response.Headers.TryGetValues(DigestHeader, out var said)
            && said.FirstOrDefault() is { } digest
            && digest != expected)
        {
            throw Wrong($"{digest} for {expected}");
        }
    }

    private static RegistryException Wrong(string what) => new(RegistryFailure.WrongDigest, $"the registry has {what}");
}
