using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using PodCheckpointing.Storage;

namespace PodCheckpointing.Agent.Images;

/// <summary>One blob on its way up, in pieces; what breaks is asked for and gone on with.</summary>
internal sealed class BlobUpload(RegistryConnection registry, Stream content, long size, string digest, int pieceSize)
{
    private readonly IncrementalHash _hash = Digest.Begin();
    private long _hashed;
    private long _sent;
    private Uri? _location;
    private bool _broken;

    /// <summary>Uploads it; returns the bytes sent, those that were sent twice included.</summary>
    /// <exception cref="RegistryException">The registry does not take it.</exception>
    /// <exception cref="CorruptArtifactException">The content is not what the digest says; the
    /// registry did not get it.</exception>
    public async Task<long> RunAsync(CancellationToken cancellationToken)
    {
        using (_hash)
        {
            await registry.RetryAsync(BeginAsync, cancellationToken);
            for (long offset = 0; offset < size;)
            {
                var from = offset;
                offset = await registry.RetryAsync(
                    async token =>
                    {
                        // The first time it is where we are; afterwards only the registry knows.
                        from = await ContinueAsync(from, token);
                        // It may have all of it, and only its answer was lost.
                        return from < size ? await PieceAsync(from, token) : from;
                    },
                    cancellationToken);
            }

            // The registry would reject a wrong digest, too. Checked here first, the error names the dump and not the
            // registry.
            var found = Digest.Finish(_hash);
            if (found != digest)
            {
                throw new CorruptArtifactException($"the content has the digest {found}; its manifest says {digest}");
            }

            await registry.RetryAsync(FinishAsync, cancellationToken);
            return _sent;
        }
    }

    /// <summary>Tells the registry that nothing more will come; that it does not hear it changes nothing.</summary>
    public async Task AbandonAsync()
    {
        if (_location is null)
        {
            return;
        }

        try
        {
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            using var response = await registry.SendAsync(() => new(HttpMethod.Delete, _location), deadline.Token);
        }
        catch (Exception exception) when (exception is RegistryException or OperationCanceledException)
        {
            // It sweeps its own leftovers.
        }
    }

    private async Task<bool> BeginAsync(CancellationToken cancellationToken)
    {
        using var response = await registry.SendAsync(
            () => new(HttpMethod.Post, new Uri(registry.Base, "blobs/uploads/")) { Content = new ByteArrayContent([]) },
            cancellationToken);
        Follow(response);
        return true;
    }

    // How much the registry has; it may have lost the upload altogether, and it begins anew.
    private async Task<long> ContinueAsync(long offset, CancellationToken cancellationToken)
    {
        if (!_broken)
        {
            return offset;
        }

        using var response = await registry.SendAsync(() => new(HttpMethod.Get, _location!), cancellationToken);
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            await BeginAsync(cancellationToken);
            _broken = false;
            return 0;
        }

        Follow(response);
        _broken = false;
        return response.Headers.TryGetValues("Range", out var ranges)
            && ranges.FirstOrDefault()?.Split('-') is [_, var last]
            && long.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var end)
            && end < size
            ? (end == 0 ? 0 : end + 1)
            : throw new RegistryException(
                RegistryFailure.Refused, "the registry does not say how much of an upload it has");
    }

    private async Task<long> PieceAsync(long offset, CancellationToken cancellationToken)
    {
        var length = Math.Min(pieceSize, size - offset);
        _broken = true;
        using var response = await registry.SendAsync(
            () => new HttpRequestMessage(HttpMethod.Patch, _location)
            {
                Content = new Piece(this, offset, length),
            },
            cancellationToken);
        Follow(response);
        _broken = false;
        return offset + length;
    }

    private async Task<bool> FinishAsync(CancellationToken cancellationToken)
    {
        var separator = _location!.Query.Length > 0 ? "&" : "?";
        using var response = await registry.SendAsync(
            () => new(
                HttpMethod.Put, new Uri(_location.AbsoluteUri + separator + "digest=" + Uri.EscapeDataString(digest)))
            {
                Content = new ByteArrayContent([]),
            },
            cancellationToken);
        if (response.StatusCode != HttpStatusCode.NotFound)
        {
            return true;
        }

        // Gone because it is finished, where the answer to the first try was lost.
        using var blob = await registry.SendAsync(
            () => new(HttpMethod.Head, new Uri(registry.Base, $"blobs/{digest}")), cancellationToken);
        return blob.StatusCode != HttpStatusCode.NotFound
            ? true
            : throw new RegistryException(RegistryFailure.Refused, "the registry forgot an upload at its end");
    }

    private void Follow(HttpResponseMessage response)
    {
        _location = response.Headers.Location is { } location
            ? new Uri(registry.Base, location)
            : _location ?? throw new RegistryException(
                RegistryFailure.Refused, "the registry does not say where to upload to");
    }

    private async Task CopyAsync(long offset, long length, Stream target, CancellationToken cancellationToken)
    {
        content.Position = offset;
        var buffer = new byte[1 << 17];
        for (var end = offset + length; offset < end;)
        {
            var read = await content.ReadAsync(
                buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - offset)), cancellationToken);
            if (read == 0)
            {
                throw new CorruptArtifactException($"the content ends after {offset} bytes of {size}");
            }

            // What is sent twice is hashed once.
            var known = (int)Math.Clamp(_hashed - offset, 0, read);
            _hash.AppendData(buffer, known, read - known);
            (_hashed, _sent, offset) = (Math.Max(_hashed, offset + read), _sent + read, offset + read);
            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
    }

    // Straight from the file into the connection.
    private sealed class Piece : HttpContent
    {
        private readonly BlobUpload _upload;
        private readonly long _offset;
        private readonly long _length;

        public Piece(BlobUpload upload, long offset, long length)
        {
            (_upload, _offset, _length) = (upload, offset, length);
            Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
            // The distribution API's own form, with no unit before it.
            Headers.TryAddWithoutValidation("Content-Range", $"{offset}-{offset + length - 1}");
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(
            Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            _upload.CopyAsync(_offset, _length, stream, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = _length;
            return true;
        }
    }
}
